/*
 * The scanner for HTML content in C: it finds the next tag that can matter, and applies plans that are remembered.
 * Long because all of it reads at one position in one buffer, and a compiler can only inline it within one file.
 *
 * Theory of operation
 * ===================
 *
 * Nearly all of a page is text, and tags that can neither fetch nor run nor connect. Each of them has to be examined,
 * and that takes most of the time of a page view. In Python, a regular expression passes over everything up to the next
 * tag that can matter (consent_mw.html.syntax.Syntax). This file is the same expression written by hand, once for each
 * kind of place in a page:
 *
 *     skip          HTML content                              Syntax.skip
 *     skip_local    HTML content whose relative addresses     Syntax.skip_local
 *                   stay on the page's own host
 *     skip_head     before the body, under that condition     Syntax.skip_head
 *
 * Each takes a buffer and a position and returns exactly the position at which the pattern's match would end, for any
 * bytes. The patterns remain the specification. tests/html/test_scan.py compares the two on generated markup, on
 * mutated pages, and on pages cut at every place; `python -m fuzz scan` does so for as long as it runs.
 *
 * `walk` goes further. A tag at which a scan stops has often been seen before, and its plan is remembered by its bytes
 * (consent_mw.html.hold_policy.Memory). If the plan is empty or has only insertions, walk notes these and scans on. In
 * all other cases it returns the position, and Python goes on: for tags that were never seen, elements that change how
 * the following bytes are read (svg, style, select), and plans that leave an element out or rename it.
 *
 * `Words` does a part of the search for code that belongs to a service (consent_mw.html.code): it returns the words of a
 * script that may be in a signature, and Python compares them. Most scripts have none.
 *
 * So nothing is decided here. A tag is passed over because the tables say that its name and attributes are harmless, or
 * because Python said so of the same bytes. The tables come from Syntax.tables and have the same words as the patterns.
 * The word lists in this file name their counterparts in syntax.py, and the tests compare the two.
 *
 * `follow` serves the trees, which read long documents on the side (consent_mw.html.scanner.known_steps). It passes over
 * pieces whose steps Python has learnt, and stops at the first whose step is unknown.
 *
 * Memory safety
 * -------------
 *
 * Every function that reads takes `at`, where it starts, and `end`, one past the last byte. It returns the end of the
 * construct, or NULL if the construct is incomplete before `end` or may matter. A byte is read only after its address
 * was compared with `end` in the same function. The four functions that look backwards (pass_comment, pass_drawing,
 * occurs, one_occurs) read bytes that the same call has passed. The buffer is held through the buffer protocol while
 * it is read, so it can be neither freed nor resized. Only the tables outlive a call, and they never change. There is
 * no recursion. The only allocation that depends on the page is the key of one lookup. tools/sanitize_scan.py builds
 * this file with the address and undefined-behaviour sanitizers, and runs tests and fuzzing against that build.
 *
 * Time
 * ----
 *
 * No loop steps back. If an attempt at a construct fails, the scan ends at its start, as with the possessive patterns.
 * Names are looked up in hash tables that are filled from the rules, so a page cannot cause collisions.
 */

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* To be increased with any change of a function's signature: consent_mw.html.scan rejects another version. */
#define INTERFACE 5

typedef const uint8_t *Ptr;

/* Properties of an element: consent_mw.html.scan.ElementFlag. */
enum {
    STOP = 1,        /* matters, whatever its attributes are */
    TAME = 2,        /* ... unless its addresses stay on the page's own host */
    HEAD = 4,        /* the same for an element before the body */
    DRAWING = 8,     /* svg: passed over as a whole if everything in it is simple */
    MODE = 16,       /* changes how the following bytes are read */
    BEFORE_BODY = 32, /* may come before the body */
    SCRIPT = 64,
};
/* Properties of an end tag: consent_mw.html.scan.EndTagFlag. */
enum {
    END_STOP = 1, /* matters */
    END_MODE = 2, /* ... also before the body */
};
/* Properties of an attribute: consent_mw.html.scan.AttributeFlag. */
enum {
    SENSITIVE = 1, /* may fetch or run on any element */
    STYLE = 2,     /* ... if its value may fetch something: is_active_style */
    MARKED = 4,    /* ... if its value contains one of the texts listed for it */
    FETCHES = 8,   /* keeps an element from being tame */
    ADDRESS = 16,  /* ... unless it is plainly a path on the page's own host */
    ADDRESSES = 32, /* ... or a list of such paths */
    LINK = 64,     /* leads out of a drawing unless it begins with "#" */
};
/* Which attributes of a tag matter: none, sensitive ones, also addresses (tame elements), also links (drawings). */
typedef enum { NONE, PLAIN, TAME_VALUES, DRAWN } Concern;
/* Conditions of a walk: consent_mw.html.scan.WalkFlag. */
enum {
    LOCAL = 1,   /* relative addresses stay on the page's own host */
    WAITING = 2, /* the body has not started, and something is to be inserted when it does */
    PIECES = 4,  /* scripts may be passed over if they are remembered */
};

/* -- bytes */

enum {
    SPACE = 1,
    SLASH = 2,
    GREATER = 4,
    EQUALS = 8,
    LETTER = 16,
    DIGIT = 32,
    HYPHEN = 64,
    DOT = 128, /* and underscore */
    PATHLESS = 256, /* not in a plain path: a control character, ":", "\\" or "&" */
    QUERY = 512,
};
#define ENDS_NAME (SPACE | SLASH | GREATER)
#define ENDS_ATTRIBUTE (ENDS_NAME | EQUALS)
#define ENDS_VALUE (SPACE | GREATER)
#define ENDS_DASHLESS (ENDS_NAME | HYPHEN)

#define L LETTER
#define D DIGIT
#define P PATHLESS
#define S (PATHLESS | SPACE)
#define Q QUERY
static const uint16_t CLASS[256] = {
    P, P, P, P, P, P, P, P, P, S, S, P, S, S, P, P,
    P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P,
    SPACE, 0, 0, 0, 0, 0, P, 0, 0, 0, 0, 0, 0, HYPHEN, DOT, SLASH,
    D, D, D, D, D, D, D, D, D, D, P, 0, 0, EQUALS, GREATER, Q,
    0, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, 0, P, 0, 0, DOT,
    0, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, 0,
};
#undef L
#undef D
#undef P
#undef S
#undef Q

#define IS(byte, class) (CLASS[(uint8_t)(byte)] & (class))

static inline uint8_t lower(uint8_t byte) { return (uint8_t)(byte - 'A') < 26 ? byte | 0x20 : byte; }

static inline Ptr find(Ptr at, Ptr end, uint8_t byte)
{
    return at < end ? memchr(at, byte, (size_t)(end - at)) : NULL;
}

static inline Ptr pass_spaces(Ptr at, Ptr end)
{
    while (at < end && IS(*at, SPACE))
        at++;
    return at;
}

static inline Ptr pass_name(Ptr at, Ptr end)
{
    while (at < end && !IS(*at, ENDS_NAME))
        at++;
    return at;
}

/* Return whether the bytes at `at` begin with `text`, which is in lower case; their case is ignored. */
static int begins(Ptr at, Ptr end, const char *text)
{
    for (; *text; text++, at++)
        if (at >= end || lower(*at) != (uint8_t)*text)
            return 0;
    return 1;
}

/* -- texts and tables of names */

typedef struct {
    uint8_t *bytes;
    uint32_t length;
    uint32_t flags;
} Text;

/* A hash table with open addressing; a slot without bytes is free. */
typedef struct {
    Text *slots;
    uint32_t mask;
    /* For each first byte, the lengths that occur, so that most names are rejected without hashing. */
    uint32_t lengths[256];
} Names;

/* Lengths from 31 on share a bit. */
static inline uint32_t length_bit(size_t length) { return UINT32_C(1) << (length < 31 ? length : 31); }

static uint32_t hash(Ptr text, size_t length)
{
    uint32_t sum = (uint32_t)length;
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + lower(text[i]);
    return sum ^ sum >> 15;
}

static uint32_t look_up(const Names *names, Ptr text, size_t length)
{
    for (uint32_t slot = hash(text, length) & names->mask;; slot = (slot + 1) & names->mask) {
        const Text *name = &names->slots[slot];
        if (name->bytes == NULL)
            return 0;
        if (name->length != length)
            continue;
        size_t i = 0;
        while (i < length && lower(text[i]) == name->bytes[i])
            i++;
        if (i == length)
            return name->flags;
    }
}

/* Return the flags of the name from `at` to `end`, which has at least one byte; 0 if it is unknown. */
static inline uint32_t flags_of(const Names *names, Ptr at, Ptr end)
{
    size_t length = (size_t)(end - at);
    return names->lengths[lower(*at)] & length_bit(length) ? look_up(names, at, length) : 0;
}

static void free_texts(Text *texts, size_t count)
{
    if (texts != NULL)
        for (size_t i = 0; i < count; i++)
            PyMem_Free(texts[i].bytes);
    PyMem_Free(texts);
}

/* Allocate `count` empty texts; return NULL with an exception on failure. */
static Text *new_texts(size_t count)
{
    Text *texts = count > INT32_MAX / sizeof(Text) ? NULL : PyMem_Calloc(count, sizeof(Text));
    if (texts == NULL)
        PyErr_NoMemory();
    return texts;
}

/* Copy a bytes object that is not empty; return -1 with an exception on failure. */
static int copy_text(Text *text, PyObject *given)
{
    char *bytes;
    Py_ssize_t length;
    if (given == NULL || PyBytes_AsStringAndSize(given, &bytes, &length) < 0)
        return -1;
    if (length < 1 || length > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a text in the tables is empty or too long");
        return -1;
    }
    text->bytes = PyMem_Malloc((size_t)length + 1);
    if (text->bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(text->bytes, bytes, (size_t)length + 1);
    text->length = (uint32_t)length;
    return 0;
}

/* Add the names that have one of the flags in `wanted`; return -1 with an exception on failure. */
static int fill_names(Names *names, PyObject *given, uint32_t wanted)
{
    Py_ssize_t count = PyDict_Size(given), place = 0;
    if (count < 0)
        return -1;
    size_t size = 16;
    while (size < 3 * (size_t)count)
        size *= 2;
    names->slots = new_texts(size);
    if (names->slots == NULL)
        return -1;
    names->mask = (uint32_t)size - 1;
    PyObject *name, *flags;
    while (PyDict_Next(given, &place, &name, &flags)) {
        Text text = {NULL, 0, 0};
        unsigned long number = PyLong_AsUnsignedLong(flags);
        if (PyErr_Occurred())
            return -1;
        if (!(number & wanted))
            continue;
        if (copy_text(&text, name) < 0)
            return -1;
        text.flags = (uint32_t)number;
        for (uint32_t i = 0; i < text.length; i++)
            text.bytes[i] = lower(text.bytes[i]);
        uint32_t slot = hash(text.bytes, text.length) & names->mask;
        while (names->slots[slot].bytes != NULL)
            slot = (slot + 1) & names->mask;
        names->slots[slot] = text;
        names->lengths[text.bytes[0]] |= length_bit(text.length);
    }
    return 0;
}

/* -- texts to look for in a value, or at a place in it */

/* A byte after which a value may mean something else: the start of a character reference or of a charset's escape. */
static inline int is_unclear(uint8_t byte) { return byte == '&' || byte == 0x1b; }

/* A list of texts, sorted by their first byte. */
typedef struct {
    Text *texts;
    size_t count;
    /* The index of the first text with each first byte; the texts with byte b end where those with b + 1 start. */
    uint32_t from[257];
    /*
     * A filter that rejects most places: a text may begin with two bytes only if the masks of the first and the second
     * have a bit in common. First bytes share 31 bits. ALWAYS is set in all masks of second bytes.
     */
    uint32_t first[256], second[256];
} TextSet;

#define ALWAYS (UINT32_C(1) << 31)

static inline uint32_t first_bit(uint8_t byte) { return UINT32_C(1) << byte % 31; }

static inline int may_begin(const TextSet *set, uint8_t first, uint8_t second)
{
    return (set->first[first] & set->second[second]) != 0;
}

static int fill_text_set(TextSet *set, PyObject *given)
{
    Py_ssize_t count = PyTuple_Size(given);
    if (count < 0)
        return -1;
    set->texts = new_texts((size_t)count + 1);
    if (set->texts == NULL)
        return -1;
    set->count = (size_t)count;
    for (Py_ssize_t i = 0; i < count; i++)
        if (copy_text(&set->texts[i], PyTuple_GetItem(given, i)) < 0)
            return -1;
    for (size_t i = 1; i < set->count; i++)
        if (set->texts[i].bytes[0] < set->texts[i - 1].bytes[0]) {
            PyErr_SetString(PyExc_ValueError, "texts in the tables have to be sorted");
            return -1;
        }
    size_t place = 0;
    for (int first = 0; first < 257; first++) {
        while (place < set->count && set->texts[place].bytes[0] < first)
            place++;
        set->from[first] = (uint32_t)place;
    }
    for (int byte = 0; byte < 256; byte++) {
        set->first[byte] = is_unclear((uint8_t)byte) ? ALWAYS : 0;
        set->second[byte] = ALWAYS;
    }
    for (size_t i = 0; i < set->count; i++) {
        const Text *text = &set->texts[i];
        set->first[text->bytes[0]] |= text->length == 1 ? ALWAYS : first_bit(text->bytes[0]);
        if (text->length > 1)
            set->second[text->bytes[1]] |= first_bit(text->bytes[0]);
    }
    return 0;
}

/* Return whether one of the texts is at `at`, by comparing all with its first byte. */
static int compare_texts(const TextSet *set, Ptr at, Ptr end)
{
    size_t room = (size_t)(end - at);
    for (uint32_t place = set->from[*at]; place < set->from[*at + 1]; place++) {
        const Text *text = &set->texts[place];
        if (room >= text->length && at[text->length - 1] == text->bytes[text->length - 1] &&
            memcmp(at, text->bytes, text->length) == 0)
            return 1;
    }
    return 0;
}

/* Return whether one of the texts is at `at`. */
static inline int stands_at(const TextSet *set, Ptr at, Ptr end)
{
    return end - at > 1 ? may_begin(set, at[0], at[1]) && compare_texts(set, at, end)
                        : end - at == 1 && compare_texts(set, at, end);
}

/* Return whether one of the texts occurs from `at` to `end`, or the value has an unclear byte. */
static int has_text(const TextSet *set, Ptr at, Ptr end)
{
    for (; end - at > 1; at++)
        if (may_begin(set, at[0], at[1]) && (is_unclear(*at) || compare_texts(set, at, end)))
            return 1;
    return at < end && (is_unclear(*at) || compare_texts(set, at, end));
}

/* -- the scanner */

typedef struct {
    Text name;
    TextSet *texts;
    /* Whether the texts are those of another mark, which frees them. */
    int shares;
} Mark;

typedef struct {
    PyObject_HEAD
    /* Elements, simple elements (which a drawing may contain), and end tags. */
    Names elements, simple, ends;
    /* Attributes that may matter on any element, and all known attributes. */
    Names sensitive, attributes;
    /* Prefixes of paths that matter on the page's own host, without the leading slash. */
    TextSet paths;
    Mark *marks;
    size_t mark_count;
} Scanner;

/* One attribute: `value` excludes the quotes and is NULL if there is none; `given` is its start with the quote. */
typedef struct {
    Ptr name, name_end, given, value, value_end, next;
    uint8_t quote;
} Attribute;

/* Read the attribute at `at`, which is before `end` and neither a separator nor ">"; return 0 if it is incomplete. */
static inline int read_attribute(Ptr at, Ptr end, Attribute *found)
{
    found->name = at++;
    while (at < end && !IS(*at, ENDS_ATTRIBUTE))
        at++;
    found->name_end = at;
    if (at < end && IS(*at, SPACE))
        at = pass_spaces(at, end);
    if (at >= end || *at != '=') {
        found->given = found->value = found->value_end = NULL;
        found->quote = 0;
        found->next = found->name_end;
        return 1;
    }
    at = pass_spaces(at + 1, end);
    if (at >= end)
        return 0;
    found->given = at;
    if (*at == '"' || *at == '\'') {
        Ptr close = find(at + 1, end, *at);
        if (close == NULL)
            return 0;
        found->quote = *at;
        found->value = at + 1;
        found->value_end = close;
        found->next = close + 1;
        return 1;
    }
    found->quote = 0;
    found->value = at;
    while (at < end && !IS(*at, ENDS_VALUE))
        at++;
    found->value_end = found->next = at;
    return 1;
}

/* A byte of a style or a presentation attribute that may begin a function, an escape or a character reference. */
static inline int is_active(uint8_t byte) { return byte == '(' || byte == '\\' || byte == '&'; }

/* Return whether the slash before `at` neither leads to another host, nor hides a path, nor starts one that matters. */
static inline int is_plain_slash(const Scanner *self, Ptr at, Ptr end)
{
    if (at < end && (*at == '/' || *at == '.'))
        return 0;
    if (end - at >= 3 && at[0] == '%' && at[1] == '2' && (at[2] | 0x20) == 'e')
        return 0;
    return !stands_at(&self->paths, at, end);
}

/* Return whether a byte continues a plain path whatever follows it. */
static inline int is_plain_byte(uint8_t byte, int list)
{
    return !IS(byte, SLASH | QUERY | PATHLESS) && !(list && (byte == ' ' || byte == ','));
}

/* Return whether an address, or every address in a list, is plainly a path on the page's own host. */
static inline int is_plain_path(const Scanner *self, const Attribute *found, Ptr end, int list)
{
    Ptr at = found->value;
    if (!found->quote || (list && found->quote != '"') || stands_at(&self->paths, at, end))
        return 0;
    for (;;) {
        while (at < found->value_end && is_plain_byte(*at, list))
            at++;
        if (at >= found->value_end)
            return 1;
        uint8_t byte = *at++;
        int goes_on = byte == '?' || (list && (byte == ' ' || byte == ',' || byte == '\n'));
        if (byte == '/' ? !is_plain_slash(self, at, end) : !goes_on || stands_at(&self->paths, at, end))
            return 0;
    }
}

/* Return whether lazy loaders read an attribute: syntax.LAZY_WORDS after "data-", or syntax.LAZY_NAMES. */
static int is_lazy(Ptr at, Ptr end)
{
    static const char *const WORDS[] = {
        "src", "lazy", "cfsrc", "ezsrc", "original", "echo", "bg", "background", "url", "iframe",
        "poster",
    };
    if (begins(at, end, "lazy-s") || begins(at, end, "nitro-lazy-s"))
        return 1;
    if (!begins(at, end, "data-"))
        return 0;
    at += 5;
    /* At most three words, each with a hyphen, may come between. */
    for (int words = 0;; words++) {
        for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
            if (begins(at, end, WORDS[i]))
                return 1;
        Ptr word = at;
        while (at < end && IS(*at, LETTER | DIGIT))
            at++;
        if (words == 3 || at == word || at >= end || *at != '-')
            return 0;
        at++;
    }
}

/* Return whether a name is that of a presentation attribute: syntax.PAINTS, then letters and hyphens. */
static int is_paint(Ptr at, Ptr end)
{
    static const char *const PAINTS[] = {"fill", "stroke", "mask", "filter", "clip-path", "cursor", "marker"};
    size_t i = 0;
    while (i < sizeof PAINTS / sizeof *PAINTS && !begins(at, end, PAINTS[i]))
        i++;
    if (i == sizeof PAINTS / sizeof *PAINTS)
        return 0;
    for (at += strlen(PAINTS[i]); at < end; at++)
        if (!IS(*at, LETTER | HYPHEN))
            return 0;
    return 1;
}

/* Return whether the value of a presentation attribute may refer to anything outside the page. */
static int paints_from_afar(Ptr at, Ptr end)
{
    for (;;) {
        while (at < end && !is_active(*at))
            at++;
        if (at >= end)
            return 0;
        if (*at != '(')
            return 1;
        at = pass_spaces(at + 1, end);
        if (at >= end || *at != '#')
            return 1;
    }
}

static int has_mark(const Scanner *self, const Attribute *found)
{
    size_t length = (size_t)(found->name_end - found->name);
    if (found->value != NULL)
        for (size_t i = 0; i < self->mark_count; i++) {
            const Mark *mark = &self->marks[i];
            if (mark->name.length == length && begins(found->name, found->name_end, (const char *)mark->name.bytes))
                return has_text(mark->texts, found->value, found->value_end);
        }
    return 0;
}

/* Return whether a style attribute may fetch something: syntax._STYLED. */
static int is_active_style(const Attribute *found)
{
    if (found->value == NULL)
        return 0;
    int quoted = 0, in_string = 0;
    for (Ptr at = found->value; at < found->value_end; at++) {
        uint8_t byte = *at;
        if (is_active(byte) || (quoted && byte == '/') || (in_string && byte == ':'))
            return 1;
        if (byte == '"' || byte == '\'') {
            quoted = 1;
            in_string = !found->quote || !in_string;
        } else if (byte == '\n' || byte == '\r' || byte == '\f')
            in_string = 0;
    }
    return 0;
}

/* A quote of a string in code, after which a host may follow. */
static inline int is_quote(uint8_t byte) { return byte == '"' || byte == '\'' || byte == '`'; }

static inline int is_of_host(uint8_t byte) { return (uint8_t)(byte - 'a') < 26 || IS(byte, DIGIT | HYPHEN); }

/* Whether a byte of a handler may hide text: not ASCII, or of an escape or a character reference. */
static inline int is_hidden(uint8_t byte)
{
    return byte < ' ' ? byte != '\t' && byte != '\n' && byte != '\r' : byte > '~' || byte == '\\' || byte == '&';
}

/* Return whether a host or a scheme may start at `at`, after a quote: syntax._NO_HOST. */
static int may_be_host(Ptr at, Ptr end)
{
    Ptr word = at;
    while (word < end && (*word == ' ' || *word == '\t' || *word == '\n' || *word == '\r'))
        word++;
    Ptr after = word;
    while (after < end && (IS(*after, LETTER | DIGIT) || *after == '_'))
        after++;
    if (after > word && after < end && *after == ':')
        return 1;
    if (at < end && *at == '.')
        at++;
    Ptr begin = at;
    while (at < end && is_of_host(*at))
        at++;
    return at > begin && at < end && *at == '.';
}

/* Return whether the code of a handler may contain an address: syntax._HANDLER. */
static int may_name_address(const Attribute *found)
{
    if (found->value == NULL)
        return 0;
    for (Ptr at = found->value, end = found->value_end; at < end; at++)
        if (is_hidden(*at) || (*at == '/' && end - at > 1 && at[1] == '/') ||
            (is_quote(*at) && may_be_host(at + 1, end)))
            return 1;
    return 0;
}

/* Return whether an attribute matters on any element. */
static inline int is_sensitive(const Scanner *self, const Attribute *found, uint32_t flags)
{
    Ptr name = found->name, name_end = found->name_end;
    uint8_t first = lower(*name);
    if (first == 'o' && name_end - name >= 3 && lower(name[1]) == 'n' && IS(name[2], LETTER))
        return may_name_address(found);
    if (first == 'd' && begins(name, name_end, "data-cmw-"))
        return 1;
    return flags & (SENSITIVE | STYLE | MARKED) &&
           (flags & SENSITIVE || (flags & STYLE && is_active_style(found)) || (flags & MARKED && has_mark(self, found)));
}

/* Return whether an attribute matters, given which ones do. */
static inline int matters(const Scanner *self, const Attribute *found, Ptr end, Concern concern)
{
    const Names *known = concern == PLAIN ? &self->sensitive : &self->attributes;
    uint32_t flags = flags_of(known, found->name, found->name_end);
    if (is_sensitive(self, found, flags))
        return 1;
    if (concern == TAME_VALUES) {
        if (flags & (ADDRESS | ADDRESSES))
            return !(flags & ADDRESSES ? is_plain_path(self, found, end, 1) : is_plain_path(self, found, end, 0));
        return flags & FETCHES || is_lazy(found->name, found->name_end);
    }
    if (concern == DRAWN && found->given != NULL) {
        if (flags & LINK) {
            Ptr at = found->given;
            if (*at == '"' || *at == '\'')
                at++;
            return at >= end || *at != '#';
        }
        return is_paint(found->name, found->name_end) && paints_from_afar(found->value, found->value_end);
    }
    return 0;
}

/* Pass over the rest of a tag after its name; return NULL if it is incomplete or has an attribute that matters. */
static inline Ptr pass_attributes(const Scanner *self, Ptr at, Ptr end, Concern concern)
{
    Attribute found;
    for (;;) {
        while (at < end && IS(*at, SPACE | SLASH))
            at++;
        if (at >= end)
            return NULL;
        if (*at == '>')
            return at + 1;
        if (!read_attribute(at, end, &found) || (concern != NONE && matters(self, &found, end, concern)))
            return NULL;
        at = found.next;
    }
}

/* Pass over a comment, starting at its "<!--". */
static Ptr pass_comment(Ptr at, Ptr end)
{
    Ptr begin = at += 4;
    if (at < end && *at == '>')
        return at + 1;
    if (end - at >= 2 && at[0] == '-' && at[1] == '>')
        return at + 2;
    /* It ends with the first ">" after "--" or "--!", which must not overlap the "<!--". */
    while ((at = find(at, end, '>')) != NULL) {
        if ((at - begin >= 2 && at[-1] == '-' && at[-2] == '-') ||
            (at - begin >= 3 && at[-1] == '!' && at[-2] == '-' && at[-3] == '-'))
            return at + 1;
        at++;
    }
    return NULL;
}

/* Pass over a "<" that does not start a tag: a comment, a bogus comment, or (if text `counts`) the "<" alone. */
static Ptr pass_no_tag(Ptr at, Ptr end, int counts)
{
    if (end - at < 2)
        return NULL;
    switch (at[1]) {
    case '!':
        if (end - at >= 4 && at[2] == '-' && at[3] == '-')
            return pass_comment(at, end);
        break;
    case '?':
        break;
    case '/':
        if (end - at < 3 || IS(at[2], LETTER))
            return NULL;
        break;
    default:
        return IS(at[1], LETTER) || !counts ? NULL : at + 1;
    }
    Ptr close = find(at + 2, end, '>');
    return close == NULL ? NULL : close + 1;
}

/* Pass over a whole drawing of simple elements, starting after the name in its start tag. */
static Ptr pass_drawing(const Scanner *self, Ptr at, Ptr end)
{
    at = pass_attributes(self, at, end, DRAWN);
    if (at == NULL || at[-2] == '/')
        return NULL;
    for (;;) {
        at = find(at, end, '<');
        if (at == NULL)
            return NULL;
        Ptr name = at + 1;
        if (name < end && *name == '/') {
            name++;
            if (begins(name, end, "svg>"))
                return name + 4;
        } else if (end - name >= 6 && memcmp(name, "title>", 6) == 0) {
            Ptr close = find(name + 6, end, '<');
            if (close == NULL || end - close < 8 || memcmp(close, "</title>", 8) != 0)
                return NULL;
            at = close + 8;
            continue;
        }
        Ptr name_end = pass_name(name, end);
        if (name_end >= end || name_end == name || !flags_of(&self->simple, name, name_end))
            return NULL;
        at = pass_attributes(self, name_end, end, DRAWN);
        if (at == NULL)
            return NULL;
    }
}

/* Pass over an end tag that cannot matter, starting after "</". */
static inline Ptr pass_end_tag(const Scanner *self, Ptr at, Ptr end)
{
    Ptr name_end = pass_name(at, end);
    if (name_end >= end || flags_of(&self->ends, at, name_end))
        return NULL;
    return *name_end == '>' ? name_end + 1 : pass_attributes(self, name_end, end, NONE);
}

/* Pass over a start tag that cannot matter, starting after "<". */
static inline Ptr pass_start_tag(const Scanner *self, Ptr at, Ptr end, int local)
{
    Ptr name_end = at + 1;
    while (name_end < end && !IS(*name_end, ENDS_DASHLESS))
        name_end++;
    if (name_end < end && *name_end == '-') {
        /* It is a custom element if only letters, digits, dots and underscores come before the hyphen. */
        Ptr before = at;
        while (IS(*before, LETTER | DIGIT | DOT))
            before++;
        if (before == name_end)
            return NULL;
        name_end = pass_name(name_end, end);
    }
    if (name_end >= end)
        return NULL;
    uint32_t flags = flags_of(&self->elements, at, name_end);
    if (flags & STOP) {
        if (!local)
            return NULL;
        return flags & TAME ? pass_attributes(self, name_end, end, TAME_VALUES)
             : flags & DRAWING ? pass_drawing(self, name_end, end)
             : NULL;
    }
    return *name_end == '>' ? name_end + 1 : pass_attributes(self, name_end, end, PLAIN);
}

/* Pass over text, comments and tags that cannot matter: the patterns Syntax.skip and Syntax.skip_local. */
static Ptr skip(const Scanner *self, Ptr at, Ptr end, int local)
{
    for (;;) {
        at = find(at, end, '<');
        if (at == NULL)
            return end;
        if (end - at < 2)
            return at;
        Ptr next;
        if (IS(at[1], LETTER))
            next = pass_start_tag(self, at + 1, end, local);
        else if (at[1] == '/' && end - at >= 3 && IS(at[2], LETTER))
            next = pass_end_tag(self, at + 2, end);
        else
            next = pass_no_tag(at, end, 1);
        if (next == NULL)
            return at;
        at = next;
    }
}

/* Pass over what may come before the body: BEFORE_BODY, or if `local` Syntax.skip_head, which also passes over tags. */
static Ptr skip_head(const Scanner *self, Ptr at, Ptr end, int local)
{
    for (;;) {
        at = pass_spaces(at, end);
        if (end - at < 2 || *at != '<')
            return at;
        Ptr next = NULL;
        if (IS(at[1], LETTER)) {
            Ptr name_end = pass_name(at + 1, end);
            if (local && name_end < end && flags_of(&self->elements, at + 1, name_end) & HEAD)
                next = pass_attributes(self, name_end, end, TAME_VALUES);
        } else if (at[1] == '/' && end - at >= 3 && IS(at[2], LETTER)) {
            if (local && begins(at + 2, end, "head>"))
                next = at + 7;
        } else {
            next = pass_no_tag(at, end, 0);
        }
        if (next == NULL)
            return at;
        at = next;
    }
}

/* -- remembered plans */

/* The longest script whose edits are remembered: consent_mw.html.hold_policy._KEPT_SIZE. */
#define LONGEST_SCRIPT 16384
/* The parts of a consent_mw.html.hold_policy.TagPlan, of an Edits and of an Edit. */
enum { PLAN_EDITS, PLAN_HELD, PLAN_REMOVE, PLAN_PANEL, PLAN_HEIGHT, PLAN_RENAME, PLAN_PARTS };
enum { EDITS_EDITS, EDITS_HELD, EDITS_PARTS };
enum { EDIT_AT, EDIT_LEFT_OUT, EDIT_INSERTED, EDIT_PARTS };

/* The arguments of a call of walk; its objects are borrowed references. */
typedef struct {
    const Scanner *self;
    PyObject *plans, *pieces, *edits, *held;
    /* Offset in the page at which the buffer starts. */
    Py_ssize_t origin;
    Ptr begin, end;
    int may;
} Walk;

/* The result for a tag: an exception, left to Python, or passed over. */
typedef enum { FAILED = -1, LEFT = 0, PASSED = 1 } Outcome;

static int has_parts(PyObject *object, Py_ssize_t parts)
{
    if (PyTuple_Check(object) && PyTuple_Size(object) == parts)
        return 1;
    PyErr_Format(PyExc_TypeError, "an answer has to be a tuple of %zd parts", parts);
    return 0;
}

/* Return a new reference to the plan for some bytes; NULL if there is none, or with an exception. */
static PyObject *remembered(PyObject *answers, Ptr at, Ptr end)
{
    PyObject *key = PyBytes_FromStringAndSize((const char *)at, end - at);
    if (key == NULL)
        return NULL;
    PyObject *answer = PyDict_GetItemWithError(answers, key);
    Py_XINCREF(answer);
    Py_DECREF(key);
    return answer;
}

/* Note the edits of a tag or script that starts at `at`. */
static Outcome add_edits(const Walk *walk, PyObject *edits, Ptr at)
{
    Py_ssize_t count = PyTuple_Size(edits);
    if (count < 0)
        return FAILED;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *edit = PyTuple_GetItem(edits, i);
        if (edit == NULL || !has_parts(edit, EDIT_PARTS))
            return FAILED;
        Py_ssize_t offset = PyLong_AsSsize_t(PyTuple_GetItem(edit, EDIT_AT));
        if (offset == -1 && PyErr_Occurred())
            return FAILED;
        PyObject *placed = Py_BuildValue("nOO", walk->origin + (at - walk->begin) + offset,
                                         PyTuple_GetItem(edit, EDIT_LEFT_OUT), PyTuple_GetItem(edit, EDIT_INSERTED));
        if (placed == NULL)
            return FAILED;
        int failed = PyList_Append(walk->edits, placed);
        Py_DECREF(placed);
        if (failed)
            return FAILED;
    }
    return PASSED;
}

/* Apply the plan for the tag at `at` if it has only insertions. */
static Outcome carry_out(const Walk *walk, PyObject *plan, Ptr at)
{
    if (!has_parts(plan, PLAN_PARTS))
        return FAILED;
    PyObject *held = PyTuple_GetItem(plan, PLAN_HELD);
    Py_ssize_t count = PyTuple_Size(held), panels = PyTuple_Size(PyTuple_GetItem(plan, PLAN_PANEL));
    if (count < 0 || panels < 0)
        return FAILED;
    if (panels || PyTuple_GetItem(plan, PLAN_REMOVE) != Py_False || PyTuple_GetItem(plan, PLAN_RENAME) != Py_False)
        return LEFT;
    for (Py_ssize_t i = 0; i < count; i++)
        if (PySet_Add(walk->held, PyTuple_GetItem(held, i)) < 0)
            return FAILED;
    return add_edits(walk, PyTuple_GetItem(plan, PLAN_EDITS), at);
}

/* Find the end tag of a script; return NULL if there is none, or if comments decide which one it is. */
static Ptr find_end_of_script(Ptr at, Ptr end)
{
    while ((at = find(at, end, '<')) != NULL) {
        if (end - at > 8 && at[1] == '/' && begins(at + 2, end, "script") && IS(at[8], ENDS_NAME))
            return at;
        if (end - at >= 4 && at[1] == '!' && at[2] == '-' && at[3] == '-')
            return NULL;
        at++;
    }
    return NULL;
}

/* Pass over the script at `at`, whose start tag ends at `tag_end`, if it is remembered and nothing in it is held. */
static Outcome pass_script(const Walk *walk, Ptr at, Ptr tag_end, Ptr *next)
{
    Ptr close = walk->may & PIECES ? find_end_of_script(tag_end, walk->end) : NULL;
    if (close == NULL || close - at > LONGEST_SCRIPT)
        return LEFT;
    PyObject *known = remembered(walk->pieces, at, close);
    if (known == NULL)
        return PyErr_Occurred() ? FAILED : LEFT;
    Outcome outcome = FAILED;
    if (has_parts(known, EDITS_PARTS)) {
        /* What is inserted before a held script depends on the page, so that is left to Python. */
        Py_ssize_t held = PyObject_Size(PyTuple_GetItem(known, EDITS_HELD));
        outcome = held < 0 ? FAILED : held > 0 ? LEFT : add_edits(walk, PyTuple_GetItem(known, EDITS_EDITS), at);
    }
    Py_DECREF(known);
    *next = close;
    return outcome;
}

/* Pass over the tag at `at`, at which a scan has stopped, if its plan is remembered and can be applied here. */
static Outcome pass_remembered(const Walk *walk, Ptr at, Ptr *next)
{
    const Scanner *self = walk->self;
    Ptr end = walk->end;
    if (end - at < 3 || *at != '<')
        return LEFT;
    int closes = at[1] == '/', waiting = walk->may & WAITING;
    Ptr name = at + 1 + closes;
    if (!IS(*name, LETTER))
        return LEFT;
    Ptr name_end = pass_name(name, end);
    Ptr tag_end = *next = pass_attributes(self, name_end, end, NONE);
    if (tag_end == NULL)
        return LEFT;
    if (closes)
        return waiting && !(flags_of(&self->ends, name, name_end) & END_MODE) ? PASSED : LEFT;
    uint32_t flags = flags_of(&self->elements, name, name_end);
    if (waiting && !(flags & BEFORE_BODY))
        return LEFT;
    if (flags & SCRIPT)
        return pass_script(walk, at, tag_end, next);
    if (flags & MODE)
        return LEFT;
    PyObject *plan = remembered(walk->plans, at, tag_end);
    if (plan == NULL)
        return PyErr_Occurred() ? FAILED : LEFT;
    Outcome outcome = plan == Py_None ? PASSED : carry_out(walk, plan, at);
    Py_DECREF(plan);
    return outcome;
}

/* -- known steps of tree construction: consent_mw.html.scanner.known_steps */

enum {
    /* The longest tag, and the longest name of a tag, that is a key. */
    LONGEST_KEY = 64,
    /* The longest text with "&#" in it that is passed: in a longer one, a reference may be too long to be waited for. */
    LONGEST_WITH_REFERENCE = 254,
};

/* The arguments of a call of follow, and how far it is; `state` is a borrowed reference. */
typedef struct {
    PyObject *state;
    long long allowance, for_tag, tags;
} Follow;

/* Return the step with this key: a borrowed reference to a pair; NULL if it is unknown, or with an exception. */
static PyObject *known_step(PyObject *state, const uint8_t *key, size_t length)
{
    PyObject *name = PyBytes_FromStringAndSize((const char *)key, (Py_ssize_t)length);
    if (name == NULL)
        return NULL;
    PyObject *step = PyDict_GetItemWithError(state, name);
    Py_DECREF(name);
    return step != NULL && has_parts(step, 2) && PyDict_Check(PyTuple_GetItem(step, 0)) ? step : NULL;
}

/* Take a step if the page may take as many steps as it took; return whether it was taken. */
static int take_step(Follow *follow, PyObject *step, long long earned)
{
    if (step == NULL)
        return 0;
    long long left = follow->allowance + earned - PyLong_AsLongLong(PyTuple_GetItem(step, 1));
    if (left < 0 || PyErr_Occurred())
        return 0;
    follow->allowance = left;
    follow->state = PyTuple_GetItem(step, 0);
    return 1;
}

/* Pass over the rest of a tag after its name, and note whether it closes itself; return NULL if it is incomplete. */
static Ptr pass_rest_of_tag(Ptr at, Ptr end, int *closes_itself)
{
    Attribute found;
    for (;;) {
        Ptr gap = at;
        while (at < end && IS(*at, SPACE | SLASH))
            at++;
        if (at >= end)
            return NULL;
        if (*at == '>') {
            *closes_itself = at > gap && at[-1] == '/';
            return at + 1;
        }
        if (!read_attribute(at, end, &found))
            return NULL;
        at = found.next;
    }
}

/* Take the step of the tag at `at`, and return its end; NULL if that is unknown or incomplete, or with an exception. */
static Ptr follow_tag(Follow *follow, Ptr at, Ptr end, Ptr last)
{
    /* Room for "<", a name and "/". */
    uint8_t key[LONGEST_KEY + 2];
    Ptr name = at + (at[1] == '/' ? 2 : 1);
    if (name >= end || !IS(*name, LETTER))
        return NULL;
    Ptr name_end = pass_name(name, end);
    if (name_end >= end || name_end - name > LONGEST_KEY)
        return NULL;
    int closes_itself = 0;
    Ptr close = pass_rest_of_tag(name_end, end, &closes_itself);
    if (close == NULL || close > last)
        return NULL;
    size_t length = 0;
    key[length++] = at[1] == '/' ? '/' : '<';
    for (Ptr from = name; from < name_end; from++)
        key[length++] = lower(*from);
    PyObject *step;
    if (at[1] == '/') {
        step = known_step(follow->state, key, length);
    } else {
        step = known_step(follow->state, key + 1, length - 1);
        if (step == NULL && !PyErr_Occurred() && close - at <= LONGEST_KEY)
            step = known_step(follow->state, at, (size_t)(close - at));
        if (step == NULL && !PyErr_Occurred()) {
            if (closes_itself)
                key[length++] = '/';
            step = known_step(follow->state, key, length);
        }
    }
    if (!take_step(follow, step, follow->for_tag))
        return NULL;
    follow->tags++;
    return close;
}

/* Return whether none of the kinds of text changes the state, so that the meaning of references does not matter. */
static int is_text_idle(const Follow *follow)
{
    static const char *const keys[] = {" ", "=", " ="};
    for (size_t i = 0; i < 3; i++) {
        PyObject *step = known_step(follow->state, (const uint8_t *)keys[i], strlen(keys[i]));
        if (step == NULL || PyTuple_GetItem(step, 0) != follow->state ||
            PyLong_AsLongLong(PyTuple_GetItem(step, 1)) != 0)
            return 0;
    }
    return 1;
}

/* Take the step of the text from `at` to `end`; return 0 if that is unknown, or with an exception. */
static int follow_text(Follow *follow, Ptr at, Ptr end)
{
    uint8_t key[2];
    size_t length = 0;
    if (find(at, end, 0) != NULL)
        return 0;
    if (find(at, end, '&') != NULL)
        return end - at <= LONGEST_WITH_REFERENCE && is_text_idle(follow);
    Ptr text = pass_spaces(at, end);
    if (text > at || IS(end[-1], SPACE))
        key[length++] = ' ';
    if (text < end)
        key[length++] = '=';
    return take_step(follow, known_step(follow->state, key, length), 0);
}

/* Pass over the pieces from `at` whose steps are known and that are at most `longest` bytes long. */
static Ptr follow_pieces(Follow *follow, Ptr at, Ptr end, Py_ssize_t longest)
{
    while (end - at >= 2) {
        Ptr last = longest < end - at ? at + longest : end, next;
        if (*at != '<') {
            next = find(at, last < end ? last + 1 : end, '<');
            if (next == NULL || !follow_text(follow, at, next))
                break;
        } else if (at[1] != '!') {
            next = follow_tag(follow, at, end, last);
        } else {
            next = end - at >= 4 && at[2] == '-' && at[3] == '-' ? pass_comment(at, last) : NULL;
        }
        if (next == NULL)
            break;
        at = next;
    }
    return at;
}

/* -- the interface to Python */

/* Open the buffer of a call and check the position in it; return -1 with an exception on failure. */
static int open_buffer(PyObject *given, Py_ssize_t position, Py_buffer *view)
{
    if (PyObject_GetBuffer(given, view, PyBUF_SIMPLE) < 0)
        return -1;
    if (position >= 0 && position <= view->len)
        return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_IndexError, "the position is outside of the buffer");
    return -1;
}

typedef Ptr (*Skip)(const Scanner *self, Ptr at, Ptr end, int local);

static PyObject *call_skip(PyObject *self, PyObject *arguments, Skip function, int local)
{
    PyObject *given;
    Py_ssize_t position;
    Py_buffer view;
    if (!PyArg_ParseTuple(arguments, "On", &given, &position) || open_buffer(given, position, &view) < 0)
        return NULL;
    /* The address of an empty buffer may be NULL. */
    Ptr begin = view.len ? view.buf : (Ptr)"";
    position = function((const Scanner *)self, begin + position, begin + view.len, local) - begin;
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(position);
}

static PyObject *scanner_skip(PyObject *self, PyObject *arguments) { return call_skip(self, arguments, skip, 0); }

static PyObject *scanner_skip_local(PyObject *self, PyObject *arguments) { return call_skip(self, arguments, skip, 1); }

static PyObject *scanner_skip_head(PyObject *self, PyObject *arguments)
{
    return call_skip(self, arguments, skip_head, 1);
}

static PyObject *scanner_walk(PyObject *self, PyObject *arguments)
{
    Walk walk = {.self = (const Scanner *)self};
    PyObject *given;
    Py_ssize_t position;
    Py_buffer view;
    if (!PyArg_ParseTuple(arguments, "OniO!O!O!O!n", &given, &position, &walk.may, &PyDict_Type, &walk.plans,
                          &PyDict_Type, &walk.pieces, &PyList_Type, &walk.edits, &PySet_Type, &walk.held, &walk.origin))
        return NULL;
    if (open_buffer(given, position, &view) < 0)
        return NULL;
    walk.begin = view.len ? view.buf : (Ptr)"";
    walk.end = walk.begin + view.len;
    Ptr at = walk.begin + position, next = NULL;
    int local = walk.may & LOCAL;
    Outcome outcome;
    do {
        at = walk.may & WAITING ? skip_head(walk.self, at, walk.end, local) : skip(walk.self, at, walk.end, local);
        outcome = pass_remembered(&walk, at, &next);
        if (outcome == PASSED)
            at = next;
    } while (outcome == PASSED);
    position = at - walk.begin;
    PyBuffer_Release(&view);
    return outcome == FAILED ? NULL : PyLong_FromSsize_t(position);
}

/* Fill the texts of a mark; those of an earlier one with the same tuple are shared. Return -1 with an exception. */
static int fill_mark_texts(Scanner *self, PyObject *given, Py_ssize_t number)
{
    Mark *mark = &self->marks[number];
    PyObject *texts = PyTuple_GetItem(PyTuple_GetItem(given, number), 1);
    for (Py_ssize_t i = 0; i < number; i++)
        if (PyTuple_GetItem(PyTuple_GetItem(given, i), 1) == texts) {
            mark->texts = self->marks[i].texts;
            mark->shares = 1;
            return 0;
        }
    mark->texts = PyMem_Calloc(1, sizeof(TextSet));
    if (mark->texts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return fill_text_set(mark->texts, texts);
}

/* Add pairs of an attribute's name and the texts that make it matter; return -1 with an exception on failure. */
static int fill_marks(Scanner *self, PyObject *given)
{
    Py_ssize_t count = PyTuple_Size(given);
    if (count < 0)
        return -1;
    self->marks = PyMem_Calloc((size_t)count + 1, sizeof(Mark));
    if (self->marks == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->mark_count = (size_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PyTuple_GetItem(given, i);
        if (!has_parts(pair, 2) || copy_text(&self->marks[i].name, PyTuple_GetItem(pair, 0)) < 0 ||
            fill_mark_texts(self, given, i) < 0)
            return -1;
    }
    return 0;
}

static void scanner_dealloc(PyObject *object)
{
    Scanner *self = (Scanner *)object;
    PyTypeObject *type = Py_TYPE(object);
    Names *tables[] = {&self->elements, &self->simple, &self->ends, &self->sensitive, &self->attributes};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        free_texts(tables[i]->slots, (size_t)tables[i]->mask + 1);
    free_texts(self->paths.texts, self->paths.count);
    for (size_t i = 0; i < self->mark_count; i++) {
        PyMem_Free(self->marks[i].name.bytes);
        if (self->marks[i].texts != NULL && !self->marks[i].shares) {
            free_texts(self->marks[i].texts->texts, self->marks[i].texts->count);
            PyMem_Free(self->marks[i].texts);
        }
    }
    PyMem_Free(self->marks);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *scanner_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    PyObject *elements, *simple, *ends, *attributes, *paths, *marks;
    static char *names[] = {"elements", "simple", "ends", "attributes", "paths", "marks", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, named, "O!O!O!O!O!O!:Scanner", names, &PyDict_Type, &elements,
                                     &PyDict_Type, &simple, &PyDict_Type, &ends, &PyDict_Type, &attributes,
                                     &PyTuple_Type, &paths, &PyTuple_Type, &marks))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Scanner *self = (Scanner *)allocate(type, 0); /* all zero */
    if (self == NULL)
        return NULL;
    if (fill_names(&self->elements, elements, UINT32_MAX) < 0 || fill_names(&self->simple, simple, UINT32_MAX) < 0 ||
        fill_names(&self->ends, ends, UINT32_MAX) < 0 || fill_names(&self->attributes, attributes, UINT32_MAX) < 0 ||
        fill_names(&self->sensitive, attributes, SENSITIVE | STYLE | MARKED) < 0 ||
        fill_text_set(&self->paths, paths) < 0 || fill_marks(self, marks) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* -- words of scripts */

/* The length of a beginning: consent_mw.html.signatures.FIRST_LETTERS. */
#define BEGINNING 3

typedef struct {
    PyObject_HEAD
    Names words, beginnings;
} Words;

static inline int begins_word(uint8_t byte) { return IS(byte, LETTER) || byte == '_' || byte == '$'; }

/* Append the words in a buffer that may be known, each as often as it occurs; return -1 with an exception on failure. */
static int append_words(const Words *self, Ptr at, Ptr end, PyObject *found)
{
    while (at < end) {
        if (!begins_word(*at)) {
            at++;
            continue;
        }
        Ptr word = at;
        while (at < end && (begins_word(*at) || IS(*at, DIGIT)))
            at++;
        if (!flags_of(&self->words, word, at) &&
            !(at - word >= BEGINNING && flags_of(&self->beginnings, word, word + BEGINNING)))
            continue;
        PyObject *text = PyBytes_FromStringAndSize((const char *)word, at - word);
        int failed = text == NULL || PyList_Append(found, text) < 0;
        Py_XDECREF(text);
        if (failed)
            return -1;
    }
    return 0;
}

static PyObject *words_found_in(PyObject *self, PyObject *given)
{
    Py_buffer view;
    if (open_buffer(given, 0, &view) < 0)
        return NULL;
    PyObject *found = PyList_New(0);
    Ptr begin = view.len ? view.buf : (Ptr)"";
    if (found != NULL && append_words((const Words *)self, begin, begin + view.len, found) < 0)
        Py_CLEAR(found);
    PyBuffer_Release(&view);
    return found;
}

static void words_dealloc(PyObject *object)
{
    Words *self = (Words *)object;
    PyTypeObject *type = Py_TYPE(object);
    free_texts(self->words.slots, (size_t)self->words.mask + 1);
    free_texts(self->beginnings.slots, (size_t)self->beginnings.mask + 1);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *words_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    PyObject *words, *beginnings;
    static char *names[] = {"words", "beginnings", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, named, "O!O!:Words", names, &PyDict_Type, &words, &PyDict_Type,
                                     &beginnings))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Words *self = (Words *)allocate(type, 0); /* all zero */
    if (self == NULL)
        return NULL;
    if (fill_names(&self->words, words, UINT32_MAX) < 0 || fill_names(&self->beginnings, beginnings, UINT32_MAX) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyMethodDef words_methods[] = {
    {"found_in", words_found_in, METH_O,
     "found_in(buffer, /)\n--\n\n"
     "Return the words in a buffer that are known or begin like known ones; the case of letters is ignored."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot words_slots[] = {
    {Py_tp_doc, (void *)"The words, and the beginnings of words, by which the signatures of services are indexed."},
    {Py_tp_new, words_new},
    {Py_tp_dealloc, words_dealloc},
    {Py_tp_methods, words_methods},
    {0, NULL},
};

static PyType_Spec words_spec = {
    .name = "consent_mw.html._scan.Words",
    .basicsize = sizeof(Words),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = words_slots,
};

/* -- texts that may occur in a page */

/* At least so many bytes have the texts that are looked for together; they and their number are bounded. */
enum { TOGETHER = 4, STEP = TOGETHER - 1, MOST_TOGETHER = 16 };
typedef struct {
    Ptr bytes;
    size_t length;
} Sought;
#define PAIR(at) ((((at)[0] & 63) << 6) | ((at)[1] & 63))

/* Whether a byte is frequent in text and markup: searching for it would stop every few bytes. */
static inline int is_frequent(uint8_t byte) { return IS(byte, LETTER) && byte >= 'a' && byte != 'j'; }

/* Return whether a text occurs in a buffer. It is searched for by its last byte, which should be a rare one. */
static int occurs(Ptr begin, Ptr end, Sought text)
{
    for (Ptr at = begin; (at = find(at, end, text.bytes[text.length - 1])) != NULL; at++)
        if ((size_t)(at - begin) >= text.length - 1 &&
            memcmp(at - (text.length - 1), text.bytes, text.length - 1) == 0)
            return 1;
    return 0;
}

/* Return whether one of the texts stands at `at`. */
static int one_stands_at(const Sought *texts, size_t count, Ptr at, Ptr end)
{
    for (size_t i = 0; i < count; i++)
        if ((size_t)(end - at) >= texts[i].length && memcmp(at, texts[i].bytes, texts[i].length) == 0)
            return 1;
    return 0;
}

/*
 * Return whether one of the texts, which have at least TOGETHER bytes, occurs in a buffer.
 *
 * The first bytes of a text form STEP pairs of neighbours. Wherever the text stands, one of these pairs begins at a
 * multiple of STEP, so only the pairs there are looked up: in a table of which pairs the texts have, and where.
 */
static int one_occurs(Ptr begin, Ptr end, const Sought *texts, size_t count)
{
    uint8_t places[1 << 12] = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t place = 0; place < STEP; place++)
            places[PAIR(texts[i].bytes + place)] |= (uint8_t)(1 << place);
    size_t size = (size_t)(end - begin);
    for (size_t at = 0; at + 1 < size; at += STEP) {
        unsigned found = places[PAIR(begin + at)];
        if (found == 0)
            continue;
        for (size_t place = 0; place < STEP && place <= at; place++)
            if (found >> place & 1 && one_stands_at(texts, count, begin + at - place, end))
                return 1;
    }
    return 0;
}

static PyObject *module_occurs(PyObject *Py_UNUSED(self), PyObject *arguments)
{
    PyObject *given, *texts;
    Py_buffer view;
    if (!PyArg_ParseTuple(arguments, "OO!", &given, &PyTuple_Type, &texts) || open_buffer(given, 0, &view) < 0)
        return NULL;
    Ptr begin = view.len ? view.buf : (Ptr)"";
    Ptr end = begin + view.len;
    Sought together[MOST_TOGETHER];
    size_t count = 0;
    int found = 0, failed = 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(texts) && !found && !failed; i++) {
        char *bytes;
        Py_ssize_t length;
        failed = PyBytes_AsStringAndSize(PyTuple_GetItem(texts, i), &bytes, &length) < 0;
        if (failed || length == 0 || length > view.len)
            continue;
        Sought text = {(Ptr)bytes, (size_t)length};
        if (length >= TOGETHER && is_frequent(text.bytes[length - 1]) && count < MOST_TOGETHER)
            together[count++] = text;
        else
            found = occurs(begin, end, text);
    }
    if (!found && !failed && count > 0)
        found = one_occurs(begin, end, together, count);
    PyBuffer_Release(&view);
    return failed ? NULL : PyBool_FromLong(found);
}

static PyObject *module_follow(PyObject *Py_UNUSED(self), PyObject *arguments)
{
    Follow follow = {.tags = 0};
    PyObject *given;
    Py_ssize_t position, longest;
    Py_buffer view;
    if (!PyArg_ParseTuple(arguments, "OnO!(nLL)", &given, &position, &PyDict_Type, &follow.state, &longest,
                          &follow.allowance, &follow.for_tag) ||
        open_buffer(given, position, &view) < 0)
        return NULL;
    Ptr begin = view.len ? view.buf : (Ptr)"";
    position = follow_pieces(&follow, begin + position, begin + view.len, longest) - begin;
    PyBuffer_Release(&view);
    return PyErr_Occurred() ? NULL : Py_BuildValue("nOLL", position, follow.state, follow.tags, follow.allowance);
}

static PyMethodDef module_methods[] = {
    {"follow", module_follow, METH_VARARGS,
     "follow(buffer, position, state, bounds, /)\n--\n\n"
     "Pass over pieces whose steps are known; return the position, the state, the tags, and what is left to allow."},
    {"occurs", module_occurs, METH_VARARGS,
     "occurs(buffer, texts, /)\n--\n\nReturn whether a buffer contains one of these texts, none of which is empty."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef scanner_methods[] = {
    {"skip", scanner_skip, METH_VARARGS,
     "skip(buffer, position, /)\n--\n\nReturn where the pattern Syntax.skip ends."},
    {"skip_local", scanner_skip_local, METH_VARARGS,
     "skip_local(buffer, position, /)\n--\n\nReturn where the pattern Syntax.skip_local ends."},
    {"skip_head", scanner_skip_head, METH_VARARGS,
     "skip_head(buffer, position, /)\n--\n\nReturn where the pattern Syntax.skip_head ends."},
    {"walk", scanner_walk, METH_VARARGS,
     "walk(buffer, position, may, plans, pieces, edits, held, origin, /)\n--\n\n"
     "Scan while answers are cached; append their edits and held ids, and return the position."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot scanner_slots[] = {
    {Py_tp_doc, (void *)"Scans HTML content by the tables of one consent_mw.html.syntax.Syntax."},
    {Py_tp_new, scanner_new},
    {Py_tp_dealloc, scanner_dealloc},
    {Py_tp_methods, scanner_methods},
    {0, NULL},
};

static PyType_Spec scanner_spec = {
    .name = "consent_mw.html._scan.Scanner",
    .basicsize = sizeof(Scanner),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = scanner_slots,
};

static int add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return failed;
}

static int fill_module(PyObject *module)
{
    const char *pure = getenv("CONSENT_MW_PURE");
    if (pure != NULL && *pure && strcmp(pure, "0") != 0)
        return 0; /* leave the module empty */
    if (PyModule_AddFunctions(module, module_methods) < 0)
        return -1;
    if (add_type(module, "Scanner", &scanner_spec) < 0 || add_type(module, "Words", &words_spec) < 0)
        return -1;
    return PyModule_AddIntConstant(module, "INTERFACE", INTERFACE);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, fill_module},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_scan",
    .m_doc = "The scanner for HTML content in C; consent_mw.html.scan says when it is used.",
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__scan(void) { return PyModuleDef_Init(&module); }
