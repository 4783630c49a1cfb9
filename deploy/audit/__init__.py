"""`godwit audit`: recount everything users see from the logs, and compare it with what is shown.

Each module covers one service's figures. A figure is counted twice: once from events, once from the table that users
are answered from. The two statements share nothing with each other, nor with the code that maintains the figure. All of
it is read in one snapshot of the database, so that a running system cannot change between the two. Another service's
event counts once it was handled; what is still on its way is reported separately (`lag`), because it is no difference.
"""
