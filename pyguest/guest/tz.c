/* Local time by the variable TZ, which the C library for WASI does not have.
 *
 * TZ names a zone of /usr/share/zoneinfo, or is a rule as POSIX
 * writes it ("CET-1CEST,M3.5.0,M10.5.0/3"); without it, local time is UTC. As with glibc, it is read
 * by tzset, and before the first conversion. The definitions here take the place of the C
 * library's; the formats are those of RFC 9636.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ZONES "/usr/share/zoneinfo/"

enum { MAX_FILE = 64 * 1024, MAX_NAME = 48, DAY = 86400 };

/* The day and time of a change to or from summer time. */
typedef struct {
    enum { JULIAN, DAY_OF_YEAR, WEEKDAY } kind;
    int month, week, day;
    int time; /* seconds after midnight; may be negative or more than a day */
} Change;

/* A rule as POSIX writes it. */
typedef struct {
    char name[2][MAX_NAME]; /* of standard and of summer time */
    int offset[2];          /* seconds east of UTC */
    int summer;             /* whether there is summer time */
    Change change[2];       /* to summer time, and back */
} Rule;

/* The present zone. Without a file, rule holds for all times. */
static struct {
    int known;
    uint8_t *file;
    const uint8_t *times, *indices, *types;
    const char *names;
    uint32_t time_count, type_count, name_bytes;
    int has_rule; /* for times after the last of the file */
    Rule rule;
} zone;

static int64_t days_from_civil(int64_t y, int m, int d) {
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int yoe = (int)(y - era * 400), doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t year_of(int64_t t) {
    int64_t z = (t >= 0 ? t : t - DAY + 1) / DAY + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int doe = (int)(z - era * 146097), yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    return yoe + era * 400 + (doy >= 306);
}

static int is_leap(int64_t y) { return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0); }

/* Parsing of rules: each function advances *p and returns whether it succeeded. */

static int number(const char **p, int max, int *out) {
    const char *s = *p;
    int n = 0;
    while (*s >= '0' && *s <= '9' && n <= max) n = 10 * n + *s++ - '0';
    if (s == *p || n > max) return 0;
    *p = s;
    *out = n;
    return 1;
}

static int duration(const char **p, int max_hours, int *out) {
    int sign = 1, h, m = 0, s = 0;
    if (**p == '+' || **p == '-') sign = *(*p)++ == '-' ? -1 : 1;
    if (!number(p, max_hours, &h)) return 0;
    if (**p == ':' && (++*p, !number(p, 59, &m))) return 0;
    if (**p == ':' && (++*p, !number(p, 59, &s))) return 0;
    *out = sign * (h * 3600 + m * 60 + s);
    return 1;
}

static int is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static int zone_name(const char **p, char *out) {
    size_t n = 0;
    const char *s = *p;
    if (*s == '<') {
        s++;
        while (s[n] && s[n] != '>') n++;
        if (s[n] != '>') return 0;
        *p = s + n + 1;
    } else {
        while (is_letter(s[n])) n++;
        *p = s + n;
    }
    if (n < 3 || n >= MAX_NAME) return 0;
    memcpy(out, s, n);
    out[n] = 0;
    return 1;
}

static int change(const char **p, Change *c) {
    c->time = 2 * 3600;
    if (**p == 'M') {
        c->kind = WEEKDAY;
        ++*p;
        if (!number(p, 12, &c->month) || c->month < 1 || *(*p)++ != '.') return 0;
        if (!number(p, 5, &c->week) || c->week < 1 || *(*p)++ != '.') return 0;
        if (!number(p, 6, &c->day)) return 0;
    } else if (**p == 'J') {
        c->kind = JULIAN;
        ++*p;
        if (!number(p, 365, &c->day) || c->day < 1) return 0;
    } else {
        c->kind = DAY_OF_YEAR;
        if (!number(p, 365, &c->day)) return 0;
    }
    return **p != '/' || (++*p, duration(p, 167, &c->time));
}

static int parse_rule(const char *p, Rule *r) {
    memset(r, 0, sizeof *r);
    if (!zone_name(&p, r->name[0]) || !duration(&p, 24, &r->offset[0])) return 0;
    r->offset[0] = -r->offset[0];
    if (!*p) return 1;
    if (!zone_name(&p, r->name[1])) return 0;
    r->summer = 1;
    r->offset[1] = r->offset[0] + 3600;
    if (*p && *p != ',') {
        if (!duration(&p, 24, &r->offset[1])) return 0;
        r->offset[1] = -r->offset[1];
    }
    if (!*p) p = ",M3.2.0,M11.1.0";
    return *p++ == ',' && change(&p, &r->change[0]) && *p++ == ',' && change(&p, &r->change[1]) && !*p;
}

/* The seconds from the year's start to a change, in the local time before it. */
static int64_t change_in(const Change *c, int64_t year) {
    int64_t first = days_from_civil(year, 1, 1), day;
    if (c->kind == JULIAN) {
        day = c->day - 1 + (is_leap(year) && c->day >= 60);
    } else if (c->kind == DAY_OF_YEAR) {
        day = c->day;
    } else {
        int64_t month = days_from_civil(year, c->month, 1);
        int weekday = (int)(((month + 4) % 7 + 7) % 7);
        int64_t next = c->month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, c->month + 1, 1);
        int64_t date = month + (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
        day = (date >= next ? date - 7 : date) - first;
    }
    return day * DAY + c->time;
}

/* The local time type at a time. */
typedef struct {
    int offset, summer;
    const char *name;
} Local;

static Local by_rule(const Rule *r, int64_t t) {
    int summer = 0;
    if (r->summer) {
        int64_t year = year_of(t + r->offset[0]), start = days_from_civil(year, 1, 1) * DAY;
        int64_t to = start + change_in(&r->change[0], year) - r->offset[0];
        int64_t back = start + change_in(&r->change[1], year) - r->offset[1];
        summer = to < back ? t >= to && t < back : t >= to || t < back;
    }
    return (Local){r->offset[summer], summer, r->name[summer]};
}

static uint32_t be32(const uint8_t *p) { return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static int64_t be64(const uint8_t *p) { return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4)); }

/* Reads the counts of a header and returns the bytes of the data after it; 0 if it is none. */
static size_t header(const uint8_t *p, size_t left, unsigned time_bytes, uint32_t count[6]) {
    if (left < 44 || memcmp(p, "TZif", 4)) return 0;
    uint64_t bytes = 44;
    static const uint8_t extra[] = {1, 1, 4, 1, 6, 1}; /* isut, isstd, leap, time, type, character */
    for (int i = 0; i < 6; i++) {
        count[i] = be32(p + 20 + 4 * i);
        bytes += (uint64_t)count[i] * (extra[i] + (i == 2 || i == 3 ? time_bytes : 0));
    }
    return bytes <= left ? (size_t)bytes : 0;
}

/* Makes the file the zone. Returns whether it is one. */
static int use_file(uint8_t *file, size_t size) {
    uint32_t n[6];
    size_t first = header(file, size, 4, n);
    if (!first || file[4] < '2') return 0;
    uint8_t *p = file + first;
    size_t second = header(p, size - first, 8, n);
    if (!second || n[4] == 0 || n[5] == 0) return 0;
    zone.time_count = n[3];
    zone.type_count = n[4];
    zone.name_bytes = n[5];
    zone.times = p + 44;
    zone.indices = zone.times + 8 * (size_t)n[3];
    zone.types = zone.indices + n[3];
    zone.names = (const char *)zone.types + 6 * (size_t)n[4];
    if (zone.names[n[5] - 1] != 0) return 0;
    for (uint32_t i = 0; i < n[3]; i++)
        if (zone.indices[i] >= n[4]) return 0;
    for (uint32_t i = 0; i < n[4]; i++)
        if (zone.types[6 * i + 5] >= n[5]) return 0;
    char *footer = (char *)p + second, *end = (char *)file + size;
    zone.has_rule = 0;
    if (footer < end && *footer == '\n') {
        footer++;
        char *stop = memchr(footer, '\n', (size_t)(end - footer));
        if (stop && stop > footer) {
            *stop = 0;
            zone.has_rule = parse_rule(footer, &zone.rule);
        }
    }
    zone.file = file;
    return 1;
}

static int use_name(const char *name) {
    char path[sizeof ZONES + 256];
    if (!strncmp(name, ZONES, sizeof ZONES - 1)) name += sizeof ZONES - 1;
    if (!*name || *name == '/' || strstr(name, "..") || strlen(name) > 255) return 0;
    snprintf(path, sizeof path, ZONES "%s", name);
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    uint8_t *file = malloc(MAX_FILE);
    size_t size = file ? fread(file, 1, MAX_FILE, f) : 0;
    fclose(f);
    if (file && size < MAX_FILE) {
        uint8_t *fitting = realloc(file, size ? size : 1);
        if (fitting) file = fitting;
        if (use_file(file, size)) return 1;
    }
    free(file);
    return 0;
}

void tzset(void) {
    const char *tz = getenv("TZ");
    int saved = errno;
    free(zone.file);
    zone.file = NULL;
    zone.known = 1;
    if (!tz || !*tz) tz = "UTC0";
    if (*tz == ':') tz++;
    if (!use_name(tz) && !parse_rule(tz, &zone.rule)) {
        /* glibc takes the letters as the name of UTC. */
        size_t n = 0;
        memset(&zone.rule, 0, sizeof zone.rule);
        while (is_letter(tz[n]) && n < MAX_NAME - 1) n++;
        memcpy(zone.rule.name[0], tz, n);
        if (n < 3) strcpy(zone.rule.name[0], "UTC");
    }
    errno = saved;
}

static Local local_at(int64_t t) {
    if (!zone.known) tzset();
    if (!zone.file) return by_rule(&zone.rule, t);
    uint32_t low = 0, high = zone.time_count;
    while (low < high) { /* the number of changes that are not after t */
        uint32_t middle = (low + high) / 2;
        if (be64(zone.times + 8 * (size_t)middle) <= t) low = middle + 1;
        else high = middle;
    }
    if (low == zone.time_count && zone.has_rule) return by_rule(&zone.rule, t);
    const uint8_t *type = zone.types + 6 * (low > 0 ? zone.indices[low - 1] : 0);
    return (Local){(int)be32(type), type[4], zone.names + type[5]};
}

struct tm *__localtime_r(const time_t *restrict t, struct tm *restrict tm) {
    Local local = local_at(*t);
    time_t shifted;
    if (__builtin_add_overflow(*t, (time_t)local.offset, &shifted)) {
        errno = EOVERFLOW;
        return NULL;
    }
    if (!gmtime_r(&shifted, tm)) return NULL;
    tm->tm_isdst = local.summer;
    tm->__tm_gmtoff = local.offset;
    tm->__tm_zone = local.name;
    return tm;
}

struct tm *localtime_r(const time_t *restrict t, struct tm *restrict tm) { return __localtime_r(t, tm); }

struct tm *localtime(const time_t *t) {
    static struct tm tm;
    return __localtime_r(t, &tm);
}

time_t mktime(struct tm *tm) {
    struct tm copy = *tm;
    int64_t months = (int64_t)copy.tm_year * 12 + copy.tm_mon, year = months / 12, month = months % 12;
    if (month < 0) month += 12, year--;
    int64_t u = (days_from_civil(year + 1900, (int)month + 1, 1) + copy.tm_mday - 1) * DAY + copy.tm_hour * (int64_t)3600 +
                copy.tm_min * (int64_t)60 + copy.tm_sec;
    /* The time is before or after a change, if there is one within a day; twice if clocks go back, never if
     * they go forward. */
    Local before = local_at(u - DAY), after = local_at(u + DAY);
    int64_t t = u - before.offset, later = u - after.offset;
    int first = local_at(t).offset == before.offset, second = local_at(later).offset == after.offset;
    if (second && (!first || (copy.tm_isdst >= 0 && !before.summer != !copy.tm_isdst))) t = later;
    Local found = local_at(t);
    if (copy.tm_isdst >= 0 && !found.summer != !copy.tm_isdst) {
        /* The caller means the other kind of time: the nearest that the zone has. */
        for (int days = 7; days <= 366; days += 7) {
            Local past = local_at(t - (int64_t)days * DAY), future = local_at(t + (int64_t)days * DAY);
            if (!past.summer == !copy.tm_isdst) { t = u - past.offset; break; }
            if (!future.summer == !copy.tm_isdst) { t = u - future.offset; break; }
        }
    }
    time_t result = t;
    if (!__localtime_r(&result, &copy)) return -1;
    *tm = copy;
    return result;
}

/* What else the C library's own file has: the name of the zone for strftime's %Z, and that which
 * gmtime gives, as with glibc. */
const char __utc[] = "GMT";
const char *__tm_to_tzname(const struct tm *tm);
const char *__tm_to_tzname(const struct tm *tm) { return tm->__tm_zone ? tm->__tm_zone : ""; }
