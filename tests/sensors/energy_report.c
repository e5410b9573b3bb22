/* CoreFoundation and IOReport, as far as joulemark calls them, over a chip that does not exist. Both are in one library.
 *
 * An object is a small struct with a kind and a number of owners; fake_alive() says how many are not released yet. The
 * counters move by one step with each sample, fake_fail(1) makes samples fail, fake_fail(2) the group be absent,
 * fake_fail(3) the chip stand still. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum kind { STRING = 1, CHANNELS, SUBSCRIPTION, SAMPLE, DELTA, ROWS, ROW };

struct object {
    enum kind kind;
    const char *text;
    int64_t moved;
    int index;
};

static const struct { const char *name, *unit; int64_t step; } CHIP[] = {
    {"CPU Energy", "mJ", 5}, {"GPU Energy", "nJ", 7000000000}, {"ANE0", "mJ  ", 1}, {"DRAM", "uJ", 2000000},
    {"PACC0_CPU", "mJ", 3}, {"DIE_1_CPU Energy", "mJ", 4}, {"GPU SRAM", "mJ", 9}, {"ANE1", "furlongs", 1},
};
enum { CHANNELS_N = sizeof CHIP / sizeof *CHIP };

static int alive, failing;
static int64_t samples_n;
static struct object rows[CHANNELS_N], names[CHANNELS_N], units[CHANNELS_N], all_rows = {.kind = ROWS};

int fake_alive(void) { return alive; }
void fake_fail(int how) { failing = how; }

static struct object *made(enum kind kind) {
    struct object *object = calloc(1, sizeof *object);
    object->kind = kind;
    alive++;
    return object;
}

void *CFStringCreateWithCString(void *allocator, const char *text, uint32_t encoding) {
    struct object *object = made(STRING);
    object->text = !allocator && encoding == 0x08000100 ? strdup(text) : "";
    return object;
}
_Bool CFStringGetCString(struct object *string, char *buffer, long length, uint32_t encoding) {
    if (string->kind != STRING || encoding != 0x08000100 || (long)strlen(string->text) >= length) return 0;
    strcpy(buffer, string->text);
    return 1;
}
void *CFDictionaryCreateMutableCopy(void *allocator, long capacity, struct object *dictionary) {
    return allocator || capacity || dictionary->kind != CHANNELS ? NULL : made(CHANNELS);
}
void *CFDictionaryGetValue(struct object *dictionary, struct object *key) {
    if (dictionary->kind != DELTA || strcmp(key->text, "IOReportChannels")) return NULL;
    for (int i = 0; i < CHANNELS_N; i++) {
        rows[i] = (struct object){.kind = ROW, .index = i, .moved = dictionary->moved};
        names[i] = (struct object){.kind = STRING, .text = CHIP[i].name};
        units[i] = (struct object){.kind = STRING, .text = CHIP[i].unit};
    }
    return &all_rows;
}
long CFArrayGetCount(struct object *array) { return array->kind == ROWS ? CHANNELS_N : 0; }
void *CFArrayGetValueAtIndex(struct object *array, long index) { return array->kind == ROWS ? &rows[index] : NULL; }
void CFRelease(struct object *object) {
    alive -= object->kind > 0;
    free(object);
}

void *IOReportCopyChannelsInGroup(struct object *group, void *subgroup, uint64_t a, uint64_t b, uint64_t c) {
    if (strcmp(group->text, "Energy Model") || subgroup || a || b || c || failing == 2) return NULL;
    return made(CHANNELS);
}
void *IOReportCreateSubscription(void *a, struct object *wanted, void **subscribed, uint64_t id, void *b) {
    if (a || b || id || wanted->kind != CHANNELS) return NULL;
    *subscribed = made(CHANNELS);
    return made(SUBSCRIPTION);
}
void *IOReportCreateSamples(struct object *subscription, struct object *channels, void *a) {
    if (a || subscription->kind != SUBSCRIPTION || channels->kind != CHANNELS || failing == 1) return NULL;
    struct object *sample = made(SAMPLE);
    sample->moved = failing == 3 ? samples_n : samples_n++;
    return sample;
}
void *IOReportCreateSamplesDelta(struct object *first, struct object *second, void *a) {
    if (a || first->kind != SAMPLE || second->kind != SAMPLE) return NULL;
    struct object *delta = made(DELTA);
    delta->moved = second->moved - first->moved;
    return delta;
}
void *IOReportChannelGetChannelName(struct object *row) { return &names[row->index]; }
void *IOReportChannelGetUnitLabel(struct object *row) { return &units[row->index]; }
int64_t IOReportSimpleGetIntegerValue(struct object *row, int32_t which) {
    return which ? -1 : CHIP[row->index].step * row->moved;
}
