"""What an operator sees and does, as plain data: pages, JSON API and command line show the same."""

from integration_app.operations.dead_letters import cost as cost
from integration_app.operations.dead_letters import dead_letters as dead_letters
from integration_app.operations.dead_letters import replay as replay
from integration_app.operations.endpoints import add_endpoint as add_endpoint
from integration_app.operations.endpoints import endpoint as endpoint
from integration_app.operations.endpoints import endpoints as endpoints
from integration_app.operations.installations import installations as installations
from integration_app.operations.messages import messages as messages
from integration_app.operations.messages import moment as moment
from integration_app.operations.messages import search as search
from integration_app.operations.messages import text_of as text_of
from integration_app.operations.outboxes import outbox as outbox
from integration_app.operations.outboxes import outboxes as outboxes
from integration_app.operations.overview import compared as compared
from integration_app.operations.overview import overview as overview
from integration_app.operations.overview import rates as rates
from integration_app.operations.providers import NO_INBOX as NO_INBOX
from integration_app.operations.providers import linked_account as linked_account
from integration_app.operations.providers import providers as providers
from integration_app.operations.providers import send_test as send_test
