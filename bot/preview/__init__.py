"""The bot in a page of the browser, for whoever has no token yet.

What the page sends becomes the update that Telegram would send (`updates`), goes through the same dispatcher as on
Telegram, and is answered through aiogram's own session interface (`exchange`); `server` joins both to the page.
"""

from bot.preview.server import serve

__all__ = ["serve"]
