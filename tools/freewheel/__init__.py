"""Tools and client of FreeWheel, the ad server."""
