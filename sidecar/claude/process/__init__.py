"""The Claude CLI as a child process: finding, starting, talking to and stopping it."""
