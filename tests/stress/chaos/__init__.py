"""The bot under kill -9, faults and load, beside a bot with aiogram's default polling."""
