"""
The scanner: finds the tags of a page as a browser would, and notes what to insert into them.

Theory of operation
===================

The scanner never builds a document. It walks over the bytes of a page, passes
what cannot matter, and stops at start tags that may fetch, run or connect. For
each it asks the holder (:mod:`consent_mw.html.holder`) what to insert. The
rewriter (:mod:`consent_mw.html.rewriter`) makes the insertions when the bytes
are sent.

One position, several readers
-----------------------------

A :class:`~.reading.Reading` is one way to read the page. It owns one
:class:`~.cursor.Cursor` (buffer, origin, position, mode, edits) and composes
the parts that read on from it:

========================  ==========================================================
part                      what it knows
========================  ==========================================================
``reading.Reading``       the loop over HTML content; what to do at each tag
``document.Document``     base address, language, policies, where the banner goes
``text.TextReader``       comments, CDATA sections, raw text, style sheets
``scripts.ScriptReader``  scripts, their ends, import maps
``foreign.ForeignReader`` SVG and MathML, and the HTML inside them
``marked_text.MarkedText``  scripts and styles whose text is markup
``xml.XmlReader``         pages in XML
``long_tag.LongTag``      tags that a chunk cut or that are too long to keep back
========================  ==========================================================

``cursor.mode`` says what the bytes at the position are part of. ``run`` calls
the reader of that mode until one returns False, which means: wait for more
bytes. A reader leaves the position at the first byte it has not settled, so
that any chunking gives the same bytes. Nothing before the position is looked
at again; searches that may fail remember how far they got.

Offsets are of three kinds. A position is relative to the buffer, whose front
is dropped as bytes are sent. An edit is at an offset of the page. A plan's
edits are relative to the tag or piece that it was made for, so that it can be
remembered and used again.

The fast path
-------------

Nearly all time goes into one pattern, ``Syntax.skip``: it passes text,
comments and harmless tags in one call of the regular expression engine. An
ordinary page of 50 KB has some fifty stops. What a stop costs in Python
matters little; a stop more in every tag would cost a lot. So the loop over HTML content stays in
one method, and what a page rarely has is composed around it.

Answers are remembered by the bytes they were given for: the plan of a tag, the
edits in a script, a style sheet or a noscript element
(:mod:`consent_mw.html.hold_policy`).

Several readings
----------------

Some bytes mean different things to different browsers: ``noscript`` is text
with scripts on and markup with scripts off; a browser that looks ahead for
what to fetch knows no foreign content. A reading then forks. The rewriter
runs all readings over the same buffer and makes the edits of all; readings
that come to the same place in the same surroundings are one again. A page with more than a
few readings at once is refused. An edit inserts text without quotes, so what
one reading sees as a tag and another as text gains a few harmless characters.
"""
