"""`godwit doctor`: check everything Godwit depends on, and say how to fix what is wrong.

Each module examines one part and yields diagnoses. Nothing is changed anywhere.
"""
