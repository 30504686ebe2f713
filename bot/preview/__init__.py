"""The bot in a page of the browser, for people who have no token yet.

What the page posts (`forms`) becomes the update that Telegram would send (`updates`) and goes through the same
dispatcher as on Telegram. The bot's calls come through aiogram's own session interface and are carried out (`exchange`)
in a chat in memory (`chat`); `server` joins all to the page.
"""
