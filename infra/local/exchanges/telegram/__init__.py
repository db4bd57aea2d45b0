"""Telegram's Bot API on this machine: one bot, one chat, and a terminal that shows the messages."""
