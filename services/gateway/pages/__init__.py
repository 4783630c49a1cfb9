"""The pages behind the links in mails: where mailbox users unsubscribe, subscribe again, and see which they are.

They need no login, no cookies and no scripts: the signed token in the link says whom they are about. Looking at a page
changes nothing, because mail scanners open every link; only the button does, and the one-click POST of RFC 8058.
"""
