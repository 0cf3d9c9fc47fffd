"""
The scanner: finds the tags of a page as a browser would, and notes what to insert into them.

Theory of operation
===================

The scanner never builds a document. It walks over the bytes of a page, passes
what cannot matter, and stops at start tags that may fetch, run or connect. For
each it asks the holder (:mod:`consent_mw.html.holder`) what to insert. The
rewriter (:mod:`consent_mw.html.rewriter`) makes the insertions when the bytes
are sent.

What cannot matter is passed over by :class:`~consent_mw.html.tokens.Syntax`:
by patterns, or by ``_scan.c``, which ends where they end and goes on over tags
whose plan is remembered.

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
``foreign.ForeignReader`` drawings and formulas that are closed in themselves
``surroundings.Surroundings``  what is open around, where a tag depends on it
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

What a tag is
-------------

A tag may be dropped, begin raw text, or open an element of SVG, all depending
on what is open. In plain HTML content none of this happens: whatever is open,
``<style>`` begins a style sheet and ``<p>`` does not. So the fast path needs no
tree. These need one:

- a tag in a drawing that its own tags do not explain: an end tag of something
  outside it, or a start tag in an integration point;
- ``select``, where an old parser drops most tags, and only a tag that it drops;
- ``frameset``, which is ignored or else drops nearly everything;
- ``col`` in a template, behind which nearly everything is dropped.

There the reading asks its :class:`~.surroundings.Surroundings`. These read the
tags that have passed, by the standard's own tree construction
(:mod:`~.tree`, :mod:`~.modes`), and then go along with each tag
(``Reading._live``) until what follows is plain HTML content again. The rewriter
keeps the bytes that have passed for this (:class:`~consent_mw.html.rewriter.PassedBytes`), so that ordinary pages
pay nothing for it. Because a drawing that is closed in itself is common, :mod:`~.foreign` reads it
with a list of its own open elements and no tree.

Everything that decides is a function of the page's bytes, never of how they
were cut. A page whose nesting would cost more than linear time is refused.

Several readings
----------------

Browsers in use differ in two places: scripts may be off, and then ``noscript`` is
markup; and the parser of ``select`` may be old. Each is a part of a
:class:`~.tree.Dialect`. A reading stands for all dialects that read the page
alike so far. Where two part, the reading forks. Besides, a browser that looks ahead for
what to fetch knows no foreign content and drops nothing: such a *flat* reading is
followed through CDATA sections and through raw text of drawings.

The rewriter moves several readings on tag by tag, the hindmost first, and makes
the edits of all. Two that come to the same place in plain HTML content are one
again. A page with more than eight at once is refused. An edit inserts text without
quotes, so what one reading sees as a tag and another as text gains a few harmless
characters.
"""
