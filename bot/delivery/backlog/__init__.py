"""An update that has to wait in, kept durably; it goes on from here when it is due, a day at the latest."""
