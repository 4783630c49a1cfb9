"""The pages behind the links in mails, where contacts unsubscribe, subscribe again, and pause their mails.

They need no login, no cookies and no scripts: the signed token in the link identifies the contact. Opening a page
changes nothing, because mail scanners open every link. Only the button does, and the one-click POST of RFC 8058.
"""
