/* A power that is known: steps that repeat for ever from a stated instant of CLOCK_MONOTONIC, and their exact integral.
 * Configuration is text: the line "origin NANOSECONDS", then one line of key=value words for each thing simulated. */
#ifndef KNOWN_POWER_H
#define KNOWN_POWER_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS_MAX = 64, LINE_MAX_BYTE = 8192 };

struct profile {
    int steps_n;
    double duration_s[STEPS_MAX], power_w[STEPS_MAX];
    double period_s, period_j;
};

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* "0.5:40,0.5:120": seconds:watts */
static struct profile parse_profile(const char *text) {
    struct profile profile = {0};
    while (text && *text && profile.steps_n < STEPS_MAX) {
        char *end;
        double duration_s = strtod(text, &end), power_w = strtod(end + 1, &end);
        profile.duration_s[profile.steps_n] = duration_s;
        profile.power_w[profile.steps_n++] = power_w;
        profile.period_s += duration_s;
        profile.period_j += duration_s * power_w;
        text = *end == ',' ? end + 1 : NULL;
    }
    return profile;
}

/* Joules from the origin to time_s. */
static double energy_until_j(const struct profile *profile, double time_s) {
    double periods_n = floor(time_s / profile->period_s), rest_s = time_s - periods_n * profile->period_s;
    double energy_j = periods_n * profile->period_j;
    for (int i = 0; i < profile->steps_n; i++) {
        double part_s = fmin(profile->duration_s[i], rest_s);
        energy_j += part_s * profile->power_w[i];
        rest_s -= part_s;
    }
    return energy_j;
}

/* The value of "key=" in a line of words, copied into value; 0 when the key is not there. */
static int word(const char *line, const char *key, char *value, size_t value_byte) {
    size_t key_byte = strlen(key);
    for (const char *at = line; (at = strstr(at, key)); at += key_byte) {
        if ((at != line && at[-1] != ' ') || at[key_byte] != '=') continue;
        const char *from = at + key_byte + 1;
        size_t length = strcspn(from, " \n");
        if (length >= value_byte) length = value_byte - 1;
        memcpy(value, from, length);
        value[length] = 0;
        return 1;
    }
    return 0;
}

static double number(const char *line, const char *key, double otherwise) {
    char text[64];
    return word(line, key, text, sizeof text) ? strtod(text, NULL) : otherwise;
}

#endif
