"""Makes a folder that runs the sidecar on a computer without Python.  Serving imports nothing from here."""
