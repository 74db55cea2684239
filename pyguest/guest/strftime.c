/* wcsftime as glibc has it in the locale C: flags, widths, and what is no directive stays as it is.
 * time.strftime and datetime.strftime call it; link-flags.sh replaces that of the C library.
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <wchar.h>

static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
enum { SHORT = 3 }; /* characters of a short name */

/* The text so far. It did not fit if its length exceeds the capacity. */
typedef struct {
    wchar_t *text;
    size_t len, cap;
} Out;

typedef enum { AS_IS, UPPER, LOWER } Case;

/* What is between a % and its directive. */
typedef struct {
    wchar_t pad; /* '0', '_' or '-'; 0 for the usual one of the directive */
    Case letters;
    int toggle; /* the flag # */
    int width;  /* at least so many characters; -1 if none is given */
} Spec;

static void put(Out *out, wchar_t c) {
    if (out->len < out->cap) out->text[out->len] = c;
    out->len++;
}

static void fill(Out *out, wchar_t c, int64_t n) {
    if (n <= 0) return;
    if (out->len >= out->cap || (size_t)n > out->cap - out->len) {
        out->len = out->cap + 1; /* without a loop: n may be 2^31 */
        return;
    }
    while (n-- > 0) put(out, c);
}

static wchar_t in_case(wchar_t c, Case letters) {
    if (letters == UPPER && c >= 'a' && c <= 'z') return c - 'a' + 'A';
    if (letters == LOWER && c >= 'A' && c <= 'Z') return c - 'A' + 'a';
    return c;
}

static void margin(Out *out, const Spec *spec, size_t len) {
    fill(out, spec->pad == '0' ? '0' : ' ', (int64_t)spec->width - (int64_t)len);
}

static void put_text(Out *out, const Spec *spec, const char *text, size_t len) {
    margin(out, spec, len);
    for (size_t i = 0; i < len; i++) put(out, in_case((unsigned char)text[i], spec->letters));
}

static void put_name(Out *out, const Spec *spec, const char *const *names, int count, int i, int is_long) {
    const char *name = i >= 0 && i < count ? names[i] : "?";
    size_t len = 0;
    while (name[len] && (is_long || len < SHORT)) len++;
    Spec changed = *spec;
    if (spec->toggle) changed.letters = UPPER;
    put_text(out, &changed, name, len);
}

/* A number of at least `digits` digits, padded by the pad of the spec, or else by `pad`. */
static void put_number(Out *out, const Spec *spec, int64_t value, int digits, wchar_t pad) {
    char text[24];
    char *end = text + sizeof text, *p = end;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do *--p = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (spec->pad) pad = spec->pad;
    if (spec->width > digits) digits = spec->width;
    int64_t missing = digits - (end - p) - (value < 0);
    if (pad == '-') { /* no padding but the margin */
        margin(out, spec, (size_t)(end - p) + (value < 0));
        missing = 0;
    } else if (pad == '_') {
        fill(out, ' ', missing);
        missing = 0;
    }
    if (value < 0) put(out, '-');
    fill(out, '0', missing);
    while (p < end) put(out, (wchar_t)*p++);
}

static int days_in(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 366 : 365; }

/* The week of ISO 8601, and its year. */
static int iso_week(const struct tm *tm, int64_t *year) {
    *year = (int64_t)tm->tm_year + 1900;
    /* The Thursday of this week decides. */
    int thursday = tm->tm_yday - (tm->tm_wday + 6) % 7 + 3;
    if (thursday < 0) thursday += days_in(--*year);
    else if (thursday >= days_in(*year)) thursday -= days_in((*year)++);
    return thursday / 7 + 1;
}

static void format_all(Out *out, const wchar_t *format, const struct tm *tm);

/* Formats a directive that abbreviates others. */
static void put_format(Out *out, const Spec *spec, const wchar_t *format, const struct tm *tm) {
    wchar_t text[128]; /* six numbers of at most 20 digits, or less */
    Out part = {text, 0, sizeof text / sizeof *text};
    format_all(&part, format, tm);
    margin(out, spec, part.len);
    for (size_t i = 0; i < part.len; i++) put(out, in_case(text[i], spec->letters));
}

/* Adds one directive. Returns 0 if there is none with this letter and modifier. */
static int put_directive(Out *out, Spec spec, wchar_t modifier, wchar_t letter, const struct tm *tm) {
    /* The letters that do not take E, O, or either. */
    if (modifier == 'E' && wcschr(L"bhBdeHIjklmMSUVgGWw", letter)) return 0;
    if (modifier == 'O' && wcschr(L"cxXY", letter)) return 0;
    if (modifier && wcschr(L"aADF", letter)) return 0;
    int64_t year = (int64_t)tm->tm_year + 1900;
    int hour12 = tm->tm_hour % 12 ? tm->tm_hour % 12 : 12;
    int64_t iso_year;
    switch (letter) {
    case '%':
    case 'n':
    case 't':
        margin(out, &spec, 1);
        put(out, letter == 'n' ? '\n' : letter == 't' ? '\t' : '%');
        break;
    case 'a':
    case 'A': put_name(out, &spec, days, 7, tm->tm_wday, letter == 'A'); break;
    case 'b':
    case 'h':
    case 'B': put_name(out, &spec, months, 12, tm->tm_mon, letter == 'B'); break;
    case 'c': put_format(out, &spec, L"%a %b %e %H:%M:%S %Y", tm); break;
    case 'x':
    case 'D': put_format(out, &spec, L"%m/%d/%y", tm); break;
    case 'F': put_format(out, &spec, L"%Y-%m-%d", tm); break;
    case 'R': put_format(out, &spec, L"%H:%M", tm); break;
    case 'r': put_format(out, &spec, L"%I:%M:%S %p", tm); break;
    case 'X':
    case 'T': put_format(out, &spec, L"%H:%M:%S", tm); break;
    case 'C': put_number(out, &spec, year / 100 - (year % 100 < 0), 1, '0'); break;
    case 'd': put_number(out, &spec, tm->tm_mday, 2, '0'); break;
    case 'e': put_number(out, &spec, tm->tm_mday, 2, '_'); break;
    case 'H': put_number(out, &spec, tm->tm_hour, 2, '0'); break;
    case 'k': put_number(out, &spec, tm->tm_hour, 2, '_'); break;
    case 'I': put_number(out, &spec, hour12, 2, '0'); break;
    case 'l': put_number(out, &spec, hour12, 2, '_'); break;
    case 'j': put_number(out, &spec, tm->tm_yday + 1, 3, '0'); break;
    case 'M': put_number(out, &spec, tm->tm_min, 2, '0'); break;
    case 'm': put_number(out, &spec, tm->tm_mon + 1, 2, '0'); break;
    case 'S': put_number(out, &spec, tm->tm_sec, 2, '0'); break;
    case 'u': put_number(out, &spec, (tm->tm_wday + 6) % 7 + 1, 1, '0'); break;
    case 'w': put_number(out, &spec, tm->tm_wday, 1, '0'); break;
    case 'U': put_number(out, &spec, (tm->tm_yday - tm->tm_wday + 7) / 7, 2, '0'); break;
    case 'W': put_number(out, &spec, (tm->tm_yday - (tm->tm_wday + 6) % 7 + 7) / 7, 2, '0'); break;
    case 'V': put_number(out, &spec, iso_week(tm, &iso_year), 2, '0'); break;
    case 'G':
        iso_week(tm, &iso_year);
        put_number(out, &spec, iso_year, 1, '0');
        break;
    case 'g':
        iso_week(tm, &iso_year);
        put_number(out, &spec, (iso_year % 100 + 100) % 100, 2, '0');
        break;
    case 'Y': put_number(out, &spec, year, 1, '0'); break;
    case 'y': put_number(out, &spec, (year % 100 + 100) % 100, 2, '0'); break;
    case 'P':
    case 'p':
        if (letter == 'P' || spec.toggle) spec.letters = LOWER;
        put_text(out, &spec, tm->tm_hour > 11 ? "PM" : "AM", 2);
        break;
    case 's': {
        struct tm copy = *tm;
        put_number(out, &spec, mktime(&copy), 1, '_');
        break;
    }
    case 'Z': {
        struct tm copy = *tm;
        if (!copy.__tm_zone && copy.tm_isdst >= 0) mktime(&copy);
        const char *zone = copy.__tm_zone ? copy.__tm_zone : "";
        size_t len = 0;
        while (zone[len]) len++;
        if (spec.toggle) spec.letters = LOWER;
        put_text(out, &spec, zone, len);
        break;
    }
    case 'z': {
        if (tm->tm_isdst < 0) break;
        int minutes = tm->__tm_gmtoff / 60;
        margin(out, &spec, 1);
        put(out, tm->__tm_gmtoff < 0 ? '-' : '+');
        if (minutes < 0) minutes = -minutes;
        put_number(out, &spec, minutes / 60 * 100 + minutes % 60, 4, '0');
        break;
    }
    default: return 0;
    }
    return 1;
}

static void format_all(Out *out, const wchar_t *f, const struct tm *tm) {
    for (; *f && out->len <= out->cap; f++) {
        if (*f != '%') {
            put(out, *f);
            continue;
        }
        const wchar_t *start = f++;
        Spec spec = {0, AS_IS, 0, -1};
        for (; *f == '_' || *f == '-' || *f == '0' || *f == '^' || *f == '#'; f++) {
            if (*f == '^') spec.letters = UPPER;
            else if (*f == '#') spec.toggle = 1;
            else spec.pad = *f;
        }
        if (*f >= '0' && *f <= '9') spec.width = 0;
        for (; *f >= '0' && *f <= '9'; f++)
            spec.width = spec.width > (INT_MAX - 9) / 10 ? INT_MAX : spec.width * 10 + (*f - '0');
        wchar_t modifier = *f == 'E' || *f == 'O' ? *f++ : 0;
        if (*f && put_directive(out, spec, modifier, *f, tm)) continue;
        if (spec.toggle && (*f == 'b' || *f == 'h' || *f == 'B')) spec.letters = UPPER; /* as glibc */
        if (!*f) f--; /* the format ends within a directive */
        size_t len = (size_t)(f + 1 - start);
        margin(out, &spec, len);
        while (len-- > 0) put(out, in_case(*start++, spec.letters));
    }
}

size_t __wrap_wcsftime(wchar_t *restrict text, size_t cap, const wchar_t *restrict format, const struct tm *restrict tm);

size_t __wrap_wcsftime(wchar_t *restrict text, size_t cap, const wchar_t *restrict format, const struct tm *restrict tm) {
    if (cap == 0) return 0;
    Out out = {text, 0, cap - 1};
    format_all(&out, format, tm);
    if (out.len > out.cap) return 0;
    text[out.len] = 0;
    return out.len;
}
