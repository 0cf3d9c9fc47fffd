"""
The scanner: finds the tags of a page as a browser would, and notes what to insert into them.

Theory of operation
===================

The scanner never builds a document. It moves over the bytes of a page and stops
at start tags that may fetch, run or connect. For each of them it asks the
holder (:mod:`consent_mw.html.holder`) what to insert. The rewriter
(:mod:`consent_mw.html.rewriter`) makes the insertions when it sends the bytes.

:class:`~consent_mw.html.syntax.Syntax` passes over everything that cannot
matter. It uses patterns, or ``_scan.c``, which stops exactly where the patterns
do, but can also go on over tags whose plan is remembered.

One position, several readers
-----------------------------

A :class:`~.reading.Reading` is one way to read the page. It owns one
:class:`~.cursor.Cursor` (buffer, origin, position, mode, edits) and is composed
of parts that all read on from it:

============================== =======================================================
part                           what it handles
============================== =======================================================
``reading.Reading``            the loop over HTML content; the action at each tag
``document.Document``          base URL, language, policies, the place of the banner
``text.TextReader``            comments, CDATA sections, raw text, style sheets
``scripts.ScriptReader``       scripts, their ends, import maps
``foreign.ForeignReader``      drawings and formulas that are self-contained
``surroundings.Surroundings``  the open elements, when a tag depends on them
``marked_text.MarkedText``     scripts and style sheets whose text contains markup
``xml.XmlReader``              pages in XML
``long_tag.LongTag``           tags that a chunk cut, or that are too long to keep back
``own_elements.end_of``        the end tags of custom elements that are renamed
============================== =======================================================

``cursor.mode`` says what the bytes at the position are part of. ``run`` calls
the reader of that mode until one returns False, which means that it needs more
bytes. A reader leaves the position at the first byte that it has not decided
about, so the output does not depend on the chunks. Bytes before the position
are not examined again, and searches that may fail remember how far they got.

There are three kinds of offsets. A position is relative to the buffer, whose
front is dropped as bytes are sent. An edit is at an offset in the page. The
edits of a plan are relative to the tag or piece that it was made for, so that
the plan can be remembered and used again.

The fast path
-------------

Nearly all time is spent in ``Reading._pass``. It passes over text, comments and
harmless tags in one call: of a pattern of ``Syntax``, or of the scanner in C. An
ordinary page of 50 KB has some fifty stops. The cost of a stop in Python matters
little, but an additional stop at every tag would cost a lot. So the loop over
HTML content is a single method, and the rarer parts are composed around it.

Results are remembered by the bytes that they were computed from: the plan of a
tag, and the edits in a script, a style sheet or a noscript element
(:mod:`consent_mw.html.hold_policy`).

What a tag is
-------------

Depending on the open elements, a tag may be dropped, start raw text, or open an
element of SVG. In plain HTML content the open elements make no difference:
``<style>`` always starts a style sheet, and ``<p>`` never does. So the fast path
needs no tree. Only these cases need one:

- a tag in a drawing that reaches out of it: the end tag of an element outside,
  or a start tag in an integration point;
- a tag in ``select`` that an old parser treats differently or drops;
- ``frameset``, which is either ignored or makes the parser drop nearly everything;
- ``col`` in a template, after which nearly everything is dropped.

In these cases the reading asks its :class:`~.surroundings.Surroundings`. They
read the bytes that have passed, by the standard's tree construction
(:mod:`~.tree`, :mod:`~.modes`) and by what they have learnt of it from this page
(:mod:`~.follower`, :mod:`~.known_steps`), and then process each tag along with the reading
(``Reading._live``) until plain HTML content follows again. The rewriter keeps
the passed bytes for this (:class:`~consent_mw.html.rewriter.PassedBytes`), so
that ordinary pages pay nothing for it; the trees read ahead in documents above
4 MB, so that no more is kept. Self-contained drawings are common, so
:mod:`~.foreign` reads them with a list of their open elements and without a tree.

All decisions depend only on the page's bytes, never on how they were cut into
chunks. A page whose nesting would cost more than linear time is refused.

Several readings
----------------

Browsers differ in how they read a page. Scripts may be off, and then
``noscript`` contains markup. The parser may be older than the current rules for
``select``. In addition, it is left open for some DOCTYPEs whether they mean
quirks. These are the fields of a :class:`~.tree.Dialect`. A reading covers all
dialects that have read the page alike so far; when they begin to differ, it
forks. It also forks if the bytes of a style sheet can be read in several ways.

Before it parses, a browser searches the page for resources to fetch early. This
*preload scanner* (the standard's speculative parser) ignores foreign content and
drops no tags. So CDATA sections, the raw text of drawings and dropped tags are
also followed by a *flat* reading, which has no surroundings.

The rewriter moves several readings tag by tag, the hindmost first, and makes
the edits of all of them. Readings that reach the same place in plain HTML
content are merged. A page with more than eight readings at once is refused. An
insertion has no quotes. So if one reading sees a tag and another sees text, the
text only gains a few harmless characters.
"""
