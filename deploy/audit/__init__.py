"""`godwit audit`: everything that users see, counted again from the logs and the ledger and held against what they see.

Each module knows one service's figures. A figure is counted twice by statements that have nothing in common with each
other, and nothing with the code that keeps it: once from events, once from the table that users are answered from. All
of it is read in one snapshot of the database, so that a running system cannot change between the two. What another
service said counts where it was handled; what is still on its way is told apart (`lag`), because it is no difference.
"""
