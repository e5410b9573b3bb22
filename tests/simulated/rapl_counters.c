/* RAPL counters over a known power, each a file that holds the count of this moment.
 *
 *   rapl_counters CONFIG fuse FOLDER    mounts FOLDER; a count is computed when it is read (needs root and /dev/fuse)
 *   rapl_counters CONFIG files FOLDER   writes into the files already in FOLDER, every millisecond
 *
 * It prints "ready" and serves until its standard input ends, then unmounts. The FUSE part speaks the kernel's own
 * protocol, so no library is needed. Lines of CONFIG: known_power.h; keys: struct counter below. */
#define _GNU_SOURCE
#include "known_power.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COUNTERS_MAX = 64, FILE_BYTE = 4096, REQUEST_BYTE = 1 << 17 };

struct counter {
    char file[64];            /* file= its name */
    struct profile profile;   /* profile= */
    double period_s;          /* period_s= between updates */
    double resolution_uj;     /* resolution_uj= the smallest step */
    double start_uj;          /* start_uj= the count at the origin */
    double range_uj;          /* range_uj= the largest count before it starts again at zero; 0: none */
    double reset_s;           /* reset_s= each time so long has passed it starts again at zero */
    double still_s;           /* still_s= after so long it stands still */
    double read_s;            /* read_s= how long a reading takes, under fuse */
    unsigned mode, owner;     /* mode= (octal), owner= (user id) */
};

static struct counter counters[COUNTERS_MAX];
static int counters_n;
static int64_t origin_ns;

static uint64_t count_uj(const struct counter *counter) {
    double time_s = fmin((double)(now_ns(CLOCK_MONOTONIC) - origin_ns) / 1e9, counter->still_s);
    time_s = floor(time_s / counter->period_s) * counter->period_s;
    double energy_uj = energy_until_j(&counter->profile, time_s) * 1e6;
    if (time_s >= counter->reset_s)
        energy_uj -= energy_until_j(&counter->profile, floor(time_s / counter->reset_s) * counter->reset_s) * 1e6;
    else energy_uj += counter->start_uj;
    uint64_t count = (uint64_t)(floor(fmax(energy_uj, 0) / counter->resolution_uj) * counter->resolution_uj);
    return counter->range_uj > 0 ? count % ((uint64_t)counter->range_uj + 1) : count;
}

static int load(const char *path) {
    FILE *config = fopen(path, "r");
    char line[LINE_MAX_BYTE], text[LINE_MAX_BYTE];
    if (!config) return -1;
    while (fgets(line, sizeof line, config)) {
        if (!strncmp(line, "origin ", 7)) origin_ns = strtoll(line + 7, NULL, 10);
        if (strncmp(line, "counter ", 8) || counters_n == COUNTERS_MAX) continue;
        struct counter *counter = &counters[counters_n++];
        word(line, "file", counter->file, sizeof counter->file);
        counter->profile = parse_profile(word(line, "profile", text, sizeof text) ? text : "1:0");
        counter->period_s = number(line, "period_s", 1e-3);
        counter->resolution_uj = number(line, "resolution_uj", 61);
        counter->start_uj = number(line, "start_uj", 0);
        counter->range_uj = number(line, "range_uj", 0);
        counter->reset_s = number(line, "reset_s", INFINITY);
        counter->still_s = number(line, "still_s", INFINITY);
        counter->read_s = number(line, "read_s", 0);
        counter->mode = word(line, "mode", text, sizeof text) ? (unsigned)strtoul(text, NULL, 8) : 0444;
        counter->owner = (unsigned)number(line, "owner", 0);
    }
    fclose(config);
    return 0;
}

/* ---- files that are written all the time ---- */

/* Sixteen digits in two aligned halves, each stored at once: a reader can only see a torn number in the instant in
 * which the upper half changes, once in 100 J. */
static void store(char *page, uint64_t count) {
    char digits[17];
    uint64_t upper, lower;
    snprintf(digits, sizeof digits, "%016llu", (unsigned long long)count);
    memcpy(&upper, digits, 8);
    memcpy(&lower, digits + 8, 8);
    __atomic_store_n((uint64_t *)page, upper, __ATOMIC_RELEASE);
    __atomic_store_n((uint64_t *)page + 1, lower, __ATOMIC_RELEASE);
}

static int write_files(const char *folder) {
    char *pages[COUNTERS_MAX];
    int where = open(folder, O_PATH | O_DIRECTORY);
    for (int i = 0; i < counters_n; i++) {
        int file = openat(where, counters[i].file, O_RDWR);
        if (file < 0 || ftruncate(file, 17) || pwrite(file, "0000000000000000\n", 17, 0) != 17) return -1;
        pages[i] = mmap(NULL, 17, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (pages[i] == MAP_FAILED) return -1;
        store(pages[i], count_uj(&counters[i]));
    }
    puts("ready");
    fflush(stdout);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    struct timespec pause = {0};
    while (ppoll(&input, 1, &pause, NULL) == 0) {
        for (int i = 0; i < counters_n; i++) store(pages[i], count_uj(&counters[i]));
        /* until just after the next whole millisecond, when the counts change */
        pause.tv_nsec = 1000000 - (now_ns(CLOCK_MONOTONIC) - origin_ns) % 1000000 + 1000;
    }
    return 0;
}

/* ---- a file system that computes ---- */

static void attributes(uint64_t node, struct fuse_attr *attr) {
    memset(attr, 0, sizeof *attr);
    attr->ino = node;
    attr->nlink = 1;
    attr->blksize = FILE_BYTE;
    if (node == FUSE_ROOT_ID) {
        attr->mode = S_IFDIR | 0555;
        return;
    }
    attr->mode = S_IFREG | counters[node - 2].mode;
    attr->uid = counters[node - 2].owner;
    attr->size = FILE_BYTE; /* as in sysfs, whatever the text's length is */
}

static void reply(int device, uint64_t unique, int error, const void *body, size_t body_byte) {
    static char answer[sizeof(struct fuse_out_header) + FILE_BYTE];
    struct fuse_out_header *header = (struct fuse_out_header *)answer;
    header->len = (uint32_t)(sizeof *header + body_byte);
    header->error = -error;
    header->unique = unique;
    if (body_byte) memcpy(answer + sizeof *header, body, body_byte);
    if (write(device, answer, header->len) < 0 && errno != ENOENT) perror("fuse"); /* ENOENT: the caller gave up */
}

static void serve(int device, const struct fuse_in_header *request, const char *body) {
    uint64_t node = request->nodeid;
    switch (request->opcode) {
    case FUSE_INIT: {
        const struct fuse_init_in *asked = (const void *)body;
        struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION};
        out.max_readahead = asked->max_readahead;
        out.max_write = FILE_BYTE;
        reply(device, request->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_GETATTR: {
        struct fuse_attr_out out = {.attr_valid = 3600};
        attributes(node, &out.attr);
        reply(device, request->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_LOOKUP: {
        for (int i = 0; i < counters_n; i++) {
            if (strcmp(counters[i].file, body)) continue;
            struct fuse_entry_out out = {.nodeid = (uint64_t)i + 2, .entry_valid = 3600, .attr_valid = 3600};
            attributes(out.nodeid, &out.attr);
            reply(device, request->unique, 0, &out, sizeof out);
            return;
        }
        reply(device, request->unique, ENOENT, NULL, 0);
        return;
    }
    case FUSE_OPEN: {
        struct fuse_open_out out = {.open_flags = FOPEN_DIRECT_IO}; /* never from the page cache */
        reply(device, request->unique, 0, &out, sizeof out);
        return;
    }
    case FUSE_READ: {
        const struct fuse_read_in *asked = (const void *)body;
        char text[32];
        struct timespec pause = {.tv_nsec = (long)(counters[node - 2].read_s * 1e9)};
        nanosleep(&pause, NULL);
        size_t length = (size_t)snprintf(text, sizeof text, "%llu\n", (unsigned long long)count_uj(&counters[node - 2]));
        size_t from = asked->offset < length ? (size_t)asked->offset : length;
        size_t take = length - from < asked->size ? length - from : asked->size;
        reply(device, request->unique, 0, text + from, take);
        return;
    }
    case FUSE_FLUSH:
    case FUSE_RELEASE: reply(device, request->unique, 0, NULL, 0); return;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: return; /* the kernel waits for no answer */
    default: reply(device, request->unique, ENOSYS, NULL, 0);
    }
}

static int mount_fuse(const char *folder) {
    static char request[REQUEST_BYTE] __attribute__((aligned(8)));
    char options[128];
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (device < 0) return -1;
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", device);
    if (mount("simulated-rapl", folder, "fuse", MS_NOSUID | MS_NODEV, options)) return -1;
    puts("ready");
    fflush(stdout);
    struct pollfd events[2] = {{.fd = device, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    while (poll(events, 2, -1) > 0 && !events[1].revents) {
        ssize_t length = read(device, request, sizeof request);
        if (length < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT) break; /* ENODEV: unmounted by another */
        if (length > 0) serve(device, (const void *)request, request + sizeof(struct fuse_in_header));
    }
    umount2(folder, MNT_DETACH);
    return 0;
}

int main(int count, char **words) {
    if (count != 4 || load(words[1])) {
        fprintf(stderr, "usage: rapl_counters CONFIG fuse|files FOLDER\n");
        return 2;
    }
    int failed = !strcmp(words[2], "fuse") ? mount_fuse(words[3]) : write_files(words[3]);
    if (failed) perror(words[3]);
    return failed ? 1 : 0;
}
