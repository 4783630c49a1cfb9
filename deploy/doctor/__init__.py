"""`godwit doctor`: looks at everything that Godwit stands on, and says what to do about what it finds.

Each module examines one thing and yields findings; nothing is changed anywhere.
"""
