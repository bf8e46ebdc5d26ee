"""What a month of messages costs in calls to Omi, and how long they wait: the real grouping, a clock of its own."""
