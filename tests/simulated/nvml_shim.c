/* libnvidia-ml.so.1 of boards that do not exist, drawing a power that is known.
 *
 * The file named in SIMULATED_NVML is read at nvmlInit: lines as in known_power.h, keys in struct board below, and one
 * line "library" with no_count_s= (after so long boards are not even counted) and no_shutdown=1 (closing fails). Every
 * process that loads the library sees the same boards, since everything is a function of CLOCK_MONOTONIC. */
#define _GNU_SOURCE
#include "known_power.h"

#include <stdio.h>
#include <unistd.h>

enum { BOARDS_MAX = 16, PROCESSES_MAX = 16, PATH_MAX_BYTE = 256 };
enum result {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15, UNKNOWN = 999,
};
enum { FIELD_HELD_BY_POWER = 74, FIELD_HELD_BY_HEAT = 75, FIELD_ENERGY = 83, FIELD_POWER_AVERAGE = 185, FIELD_POWER_INSTANT = 186 };
enum { VALUE_UNSIGNED = 1, VALUE_UNSIGNED_LONG_LONG = 3 };
enum { POLICY_POWER = 0, POLICY_THERMAL = 1 };
enum { SCOPE_GPU = 0, SCOPE_MODULE = 1 };

/* A power sensor: every update_s it publishes the mean over the averaged_s before; update_s 0: the power of now. */
struct gauge {
    int exists;
    double update_s, averaged_s;
};

struct board {
    char name[64], uuid[64];    /* name= ('_' for a space), uuid= */
    struct profile profile;     /* profile= */
    int has_counter;            /* counter=no: no energy counter */
    double counter_scale;       /* counter_scale= the counter shows so many times the truth */
    double update_s;            /* update_s= between updates of the counter */
    double sampled_s;           /* sampled_s= the counter takes the mean over the last part of each update for all of it; 0: exact */
    double start_mj;            /* start_mj= the count at the origin */
    double lost_s;              /* lost_s= after so long the board is lost */
    double reset_s;             /* reset_s= each time so long has passed the driver is loaded anew: the counter starts at zero */
    double still_s;             /* still_s= after so long the counter stands still */
    struct gauge usage;         /* power=none|instant|UPDATE_S:AVERAGED_S for nvmlDeviceGetPowerUsage and field 185 */
    struct gauge instant;       /* instant= the same for field 186 */
    unsigned mig;               /* mig=1: MIG is on */
    unsigned limit_mw;          /* limit_mw= */
    unsigned celsius, clock_mhz, architecture; /* architecture= NVML's number: 4 Pascal, 7 Ampere, 9 Hopper */
    unsigned long long throttle; /* throttle= the bits of the reasons */
    double held_by_power, held_by_heat; /* held_by_power= held_by_heat= the share of the time for which a limit holds
                                           the clocks down; negative: that is not supported */
    int tells_violations;       /* violations=no: the call for that is gone, fields 74 and 75 tell it */
    int lists_processes;        /* processes=no: that is not supported */
    int processes_n;            /* processes=PID:MIB,…; PID "self" is whoever asks, "@FILE" the number in a file, if it is there */
    unsigned pid[PROCESSES_MAX], used_mib[PROCESSES_MAX];
    char pid_file[PROCESSES_MAX][PATH_MAX_BYTE];
    int has_clocks;             /* clocks=no: neither clocks nor their reasons */
    int c2c;                    /* c2c=1: it is joined with a processor on a module */
    struct profile rest;        /* rest= what the rest of its module draws; without, that is not supported */
    int has_module;
    int counts_module;          /* counts=module: the counter is that of the module */
    int has_scope_gpu;          /* gpu_scope=no: no field of power tells that of the GPU alone */
    int wide_processes;         /* protected= the last 8 bytes of entries of 32 bytes, where those before have 24 */
    unsigned long long protected_byte;
};

struct pci {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
};
struct memory { unsigned long long total, free, used; };
struct utilization { unsigned gpu, memory; };
struct temperature { unsigned version, sensor; int celsius; };
struct violation { unsigned long long reference_us, violation_ns; };
struct process { unsigned pid; unsigned long long used_byte; unsigned gpu_instance, compute_instance; };
struct wide_process { struct process process; unsigned long long protected_byte; };
struct field {
    unsigned id, scope;
    int64_t timestamp_us, latency_us;
    unsigned value_type, result;
    union { double d; unsigned u; unsigned long long ull; } value;
};

static struct board boards[BOARDS_MAX];
static unsigned boards_n;
static int64_t origin_ns;
static int users_n;
static double no_count_s = INFINITY;
static int no_shutdown;

static double elapsed_s(void) { return (double)(now_ns(CLOCK_MONOTONIC) - origin_ns) / 1e9; }

static double refreshed_s(double time_s, double update_s) {
    return update_s > 0 ? floor(time_s / update_s) * update_s : time_s;
}

static double mean_w(const struct profile *profile, double until_s, double length_s) {
    return (energy_until_j(profile, until_s) - energy_until_j(profile, until_s - length_s)) / length_s;
}

static double gauge_w(const struct profile *profile, const struct gauge *gauge) {
    double time_s = elapsed_s();
    if (gauge->update_s > 0) return mean_w(profile, refreshed_s(time_s, gauge->update_s), gauge->averaged_s);
    return mean_w(profile, time_s, 1e-6);
}

/* What the counter has accumulated until time_s: the truth, or each update's last sampled_s times the whole update. */
static double accumulated_j(const struct board *board, double time_s) {
    static _Thread_local struct { long updates_n; double energy_j; } known[BOARDS_MAX];
    double rest_j = board->counts_module ? energy_until_j(&board->rest, refreshed_s(time_s, board->update_s)) : 0;
    if (board->sampled_s <= 0) return energy_until_j(&board->profile, refreshed_s(time_s, board->update_s)) + rest_j;
    long updates_n = (long)floor(time_s / board->update_s), from = 0;
    double energy_j = 0;
    size_t i = (size_t)(board - boards);
    if (known[i].updates_n <= updates_n) {
        from = known[i].updates_n;
        energy_j = known[i].energy_j;
    }
    for (long update = from + 1; update <= updates_n; update++)
        energy_j += mean_w(&board->profile, (double)update * board->update_s, board->sampled_s) * board->update_s;
    known[i].updates_n = updates_n;
    known[i].energy_j = energy_j;
    return energy_j + rest_j;
}

static unsigned long long count_mj(const struct board *board) {
    double time_s = fmin(elapsed_s(), board->still_s), energy_mj = accumulated_j(board, time_s) * 1e3 * board->counter_scale;
    if (time_s < board->reset_s) return (unsigned long long)(energy_mj + board->start_mj);
    double reset_mj = accumulated_j(board, floor(time_s / board->reset_s) * board->reset_s) * 1e3 * board->counter_scale;
    return (unsigned long long)fmax(energy_mj - reset_mj, 0);
}

static struct gauge parse_gauge(const char *line, const char *key, struct gauge otherwise) {
    char text[64], *end;
    struct gauge gauge = {.exists = 1};
    if (!word(line, key, text, sizeof text)) return otherwise;
    if (!strcmp(text, "none")) gauge.exists = 0;
    else if (strcmp(text, "instant")) {
        gauge.update_s = strtod(text, &end);
        gauge.averaged_s = strtod(end + 1, NULL);
    }
    return gauge;
}

static void parse_processes(const char *line, struct board *board) {
    char text[2048], *rest = NULL;
    board->lists_processes = 1;
    if (!word(line, "processes", text, sizeof text)) return;
    board->lists_processes = strcmp(text, "no") != 0;
    if (!board->lists_processes) return;
    for (char *one = strtok_r(text, ",", &rest); one && board->processes_n < PROCESSES_MAX;
         one = strtok_r(NULL, ",", &rest)) {
        char *mib = strchr(one, ':');
        if (*one == '@') {
            size_t length = mib ? (size_t)(mib - one - 1) : strlen(one + 1);
            if (length >= PATH_MAX_BYTE) continue;
            memcpy(board->pid_file[board->processes_n], one + 1, length);
        }
        board->pid[board->processes_n] = strncmp(one, "self", 4) ? (unsigned)atoi(one) : (unsigned)getpid();
        board->used_mib[board->processes_n++] = mib ? (unsigned)atoi(mib + 1) : 0;
    }
}

static enum result load(void) {
    const char *path = getenv("SIMULATED_NVML");
    FILE *config = path ? fopen(path, "r") : NULL;
    char line[LINE_MAX_BYTE], text[LINE_MAX_BYTE];
    if (!config) return DRIVER_NOT_LOADED;
    boards_n = 0;
    memset(boards, 0, sizeof boards);
    while (fgets(line, sizeof line, config)) {
        if (!strncmp(line, "origin ", 7)) origin_ns = strtoll(line + 7, NULL, 10);
        if (!strncmp(line, "library ", 8)) {
            no_count_s = number(line, "no_count_s", INFINITY);
            no_shutdown = (int)number(line, "no_shutdown", 0);
        }
        if (strncmp(line, "board ", 6) || boards_n == BOARDS_MAX) continue;
        struct board *board = &boards[boards_n++];
        if (!word(line, "name", board->name, sizeof board->name)) strcpy(board->name, "Simulated_GPU");
        for (char *at = board->name; *at; at++)
            if (*at == '_') *at = ' ';
        if (!word(line, "uuid", board->uuid, sizeof board->uuid))
            snprintf(board->uuid, sizeof board->uuid, "GPU-%08x-0000-0000-0000-000000000000", boards_n);
        board->profile = parse_profile(word(line, "profile", text, sizeof text) ? text : "1:0");
        board->has_counter = !(word(line, "counter", text, sizeof text) && !strcmp(text, "no"));
        board->tells_violations = !(word(line, "violations", text, sizeof text) && !strcmp(text, "no"));
        board->has_clocks = !(word(line, "clocks", text, sizeof text) && !strcmp(text, "no"));
        board->counter_scale = number(line, "counter_scale", 1);
        board->update_s = number(line, "update_s", 0.1);
        board->sampled_s = number(line, "sampled_s", 0);
        board->start_mj = number(line, "start_mj", 0);
        board->lost_s = number(line, "lost_s", INFINITY);
        board->reset_s = number(line, "reset_s", INFINITY);
        board->still_s = number(line, "still_s", INFINITY);
        board->usage = parse_gauge(line, "power", (struct gauge){1, 0.1, 0.1});
        board->instant = parse_gauge(line, "instant", board->usage);
        board->mig = (unsigned)number(line, "mig", 0);
        board->limit_mw = (unsigned)number(line, "limit_mw", 700000);
        board->celsius = (unsigned)number(line, "celsius", 40);
        board->clock_mhz = (unsigned)number(line, "clock_mhz", 1500);
        board->architecture = (unsigned)number(line, "architecture", 9);
        board->throttle = (unsigned long long)number(line, "throttle", 0);
        board->held_by_power = number(line, "held_by_power", 0);
        board->held_by_heat = number(line, "held_by_heat", 0);
        board->c2c = (int)number(line, "c2c", 0);
        board->has_module = word(line, "rest", text, sizeof text);
        board->rest = parse_profile(board->has_module ? text : "1:0");
        board->counts_module = word(line, "counts", text, sizeof text) && !strcmp(text, "module");
        board->has_scope_gpu = !(word(line, "gpu_scope", text, sizeof text) && !strcmp(text, "no"));
        board->wide_processes = word(line, "protected", text, sizeof text);
        if (board->wide_processes) board->protected_byte = strtoull(text, NULL, 10);
        parse_processes(line, board);
    }
    fclose(config);
    return SUCCESS;
}

/* ---- what the real library exports; a handle is the board's address ---- */

static enum result check(const struct board *board) {
    if (!users_n) return UNINITIALIZED;
    if (board < boards || board >= boards + boards_n) return INVALID_ARGUMENT;
    return elapsed_s() >= board->lost_s ? GPU_IS_LOST : SUCCESS;
}

#define CHECKED(board)                          \
    do {                                        \
        enum result checked_ = check(board);    \
        if (checked_ != SUCCESS) return checked_; \
    } while (0)

static enum result put(const struct board *board, unsigned *out, unsigned value) {
    CHECKED(board);
    *out = value;
    return SUCCESS;
}

static enum result copy(char *out, unsigned length, const char *text) {
    if (strlen(text) >= length) return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

enum result nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    enum result loaded = users_n ? SUCCESS : load();
    if (loaded == SUCCESS) users_n++;
    return loaded;
}

enum result nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

enum result nvmlShutdown(void) {
    if (!users_n) return UNINITIALIZED;
    if (no_shutdown) return UNKNOWN;
    users_n--;
    return SUCCESS;
}

const char *nvmlErrorString(enum result result) {
    switch (result) {
    case SUCCESS: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case INSUFFICIENT_SIZE: return "Insufficient Size";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case GPU_IS_LOST: return "GPU is lost";
    case UNKNOWN: break;
    }
    return "Unknown Error";
}

enum result nvmlSystemGetDriverVersion(char *out, unsigned length) { return copy(out, length, "570.00.simulated"); }
enum result nvmlSystemGetNVMLVersion(char *out, unsigned length) { return copy(out, length, "12.570.00"); }

enum result nvmlSystemGetCudaDriverVersion(int *version) {
    *version = 12080;
    return SUCCESS;
}

enum result nvmlDeviceGetCount_v2(unsigned *count) {
    *count = boards_n;
    if (!users_n) return UNINITIALIZED;
    return elapsed_s() >= no_count_s ? UNKNOWN : SUCCESS;
}

enum result nvmlDeviceGetHandleByIndex_v2(unsigned index, struct board **handle) {
    if (index >= boards_n) return INVALID_ARGUMENT;
    *handle = &boards[index];
    return check(*handle);
}

enum result nvmlDeviceGetHandleByUUID(const char *uuid, struct board **handle) {
    for (unsigned i = 0; i < boards_n; i++)
        if (!strcmp(boards[i].uuid, uuid)) return nvmlDeviceGetHandleByIndex_v2(i, handle);
    return NOT_FOUND;
}

enum result nvmlDeviceGetIndex(struct board *board, unsigned *index) {
    return put(board, index, (unsigned)(board - boards));
}

enum result nvmlDeviceGetName(struct board *board, char *out, unsigned length) {
    CHECKED(board);
    return copy(out, length, board->name);
}

enum result nvmlDeviceGetUUID(struct board *board, char *out, unsigned length) {
    CHECKED(board);
    return copy(out, length, board->uuid);
}

/* As in the real library, indices follow the bus. */
enum result nvmlDeviceGetPciInfo_v3(struct board *board, struct pci *pci) {
    CHECKED(board);
    memset(pci, 0, sizeof *pci);
    pci->bus = 0x10u + (unsigned)(board - boards);
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus);
    snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "0000:%02X:00.0", pci->bus & 0xff);
    return SUCCESS;
}

enum result nvmlDeviceGetTotalEnergyConsumption(struct board *board, unsigned long long *energy_mj) {
    CHECKED(board);
    if (!board->has_counter) return NOT_SUPPORTED;
    *energy_mj = count_mj(board);
    return SUCCESS;
}

enum result nvmlDeviceGetPowerUsage(struct board *board, unsigned *power_mw) {
    CHECKED(board);
    if (!board->usage.exists) return NOT_SUPPORTED;
    *power_mw = (unsigned)(gauge_w(&board->profile, &board->usage) * 1e3);
    return SUCCESS;
}

static enum result put_held_ns(double held_ratio, unsigned long long *ns) {
    if (held_ratio < 0) return NOT_SUPPORTED;
    *ns = (unsigned long long)(held_ratio * elapsed_s() * 1e9);
    return SUCCESS;
}

static enum result field_value(struct board *board, struct field *field) {
    const struct gauge *gauge = field->id == FIELD_POWER_INSTANT ? &board->instant : &board->usage;
    field->timestamp_us = now_ns(CLOCK_REALTIME) / 1000;
    if (field->id == FIELD_ENERGY) {
        field->value_type = VALUE_UNSIGNED_LONG_LONG;
        return nvmlDeviceGetTotalEnergyConsumption(board, &field->value.ull);
    }
    if (field->id == FIELD_HELD_BY_POWER || field->id == FIELD_HELD_BY_HEAT) {
        field->value_type = VALUE_UNSIGNED_LONG_LONG;
        return put_held_ns(field->id == FIELD_HELD_BY_POWER ? board->held_by_power : board->held_by_heat, &field->value.ull);
    }
    if (field->id != FIELD_POWER_AVERAGE && field->id != FIELD_POWER_INSTANT) return NOT_SUPPORTED;
    if (!gauge->exists || field->scope > SCOPE_MODULE) return NOT_SUPPORTED;
    if (field->scope == SCOPE_MODULE ? !board->has_module : !board->has_scope_gpu) return NOT_SUPPORTED;
    double power_w = gauge_w(&board->profile, gauge);
    if (field->scope == SCOPE_MODULE) power_w += gauge_w(&board->rest, gauge);
    field->value_type = VALUE_UNSIGNED;
    field->value.u = (unsigned)(power_w * 1e3);
    return SUCCESS;
}

enum result nvmlDeviceGetFieldValues(struct board *board, int count, struct field *fields) {
    CHECKED(board);
    for (int i = 0; i < count; i++) fields[i].result = field_value(board, &fields[i]);
    return SUCCESS;
}

static unsigned pid_in(const char *path) {
    unsigned pid = 0;
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fscanf(file, "%u", &pid) != 1) pid = 0;
    fclose(file);
    return pid;
}

enum result nvmlDeviceGetComputeRunningProcesses_v3(struct board *board, unsigned *count, struct process *processes) {
    CHECKED(board);
    if (!board->lists_processes) return NOT_SUPPORTED;
    unsigned room = *count;
    *count = 0;
    for (int i = 0; i < board->processes_n; i++) {
        unsigned pid = board->pid_file[i][0] ? pid_in(board->pid_file[i]) : board->pid[i];
        if (!pid) continue;
        struct process entry = {pid, (unsigned long long)board->used_mib[i] << 20, ~0u, ~0u};
        if (*count < room && board->wide_processes)
            ((struct wide_process *)processes)[*count] = (struct wide_process){entry, board->protected_byte};
        else if (*count < room)
            processes[*count] = entry;
        ++*count;
    }
    return *count > room ? INSUFFICIENT_SIZE : SUCCESS;
}

enum result nvmlDeviceGetGraphicsRunningProcesses_v3(struct board *board, unsigned *count, struct process *processes) {
    (void)processes;
    CHECKED(board);
    *count = 0;
    return SUCCESS;
}

struct c2c_mode { unsigned enabled; };

enum result nvmlDeviceGetC2cModeInfoV(struct board *board, struct c2c_mode *mode) {
    CHECKED(board);
    if (!board->c2c) return NOT_SUPPORTED;
    mode->enabled = 1;
    return SUCCESS;
}

enum result nvmlDeviceGetMigMode(struct board *board, unsigned *current, unsigned *pending) {
    *pending = 0;
    enum result done = put(board, current, board->mig);
    if (done == SUCCESS) *pending = board->mig;
    return done;
}

enum result nvmlDeviceGetClockInfo(struct board *board, unsigned kind, unsigned *mhz) {
    (void)kind;
    CHECKED(board);
    if (!board->has_clocks) return NOT_SUPPORTED;
    return put(board, mhz, board->clock_mhz);
}

enum result nvmlDeviceGetMaxClockInfo(struct board *board, unsigned kind, unsigned *mhz) {
    (void)kind;
    return put(board, mhz, 2000);
}

enum result nvmlDeviceGetCurrentClocksEventReasons(struct board *board, unsigned long long *reasons) {
    CHECKED(board);
    if (!board->has_clocks) return NOT_SUPPORTED;
    *reasons = board->throttle;
    return SUCCESS;
}

enum result nvmlDeviceGetCurrentClocksThrottleReasons(struct board *board, unsigned long long *reasons) {
    return nvmlDeviceGetCurrentClocksEventReasons(board, reasons);
}

enum result nvmlDeviceGetViolationStatus(struct board *board, unsigned policy, struct violation *violation) {
    CHECKED(board);
    if (!board->tells_violations) return NOT_SUPPORTED;
    violation->reference_us = (unsigned long long)now_ns(CLOCK_REALTIME) / 1000;
    double held_ratio = policy == POLICY_POWER ? board->held_by_power : policy == POLICY_THERMAL ? board->held_by_heat : -1;
    return put_held_ns(held_ratio, &violation->violation_ns);
}

enum result nvmlDeviceGetTemperature(struct board *board, unsigned sensor, unsigned *celsius) {
    (void)sensor;
    return put(board, celsius, board->celsius);
}

enum result nvmlDeviceGetTemperatureV(struct board *board, struct temperature *temperature) {
    CHECKED(board);
    temperature->celsius = (int)board->celsius;
    return SUCCESS;
}

enum result nvmlDeviceGetPowerManagementLimit(struct board *board, unsigned *mw) {
    return put(board, mw, board->limit_mw);
}

enum result nvmlDeviceGetPowerManagementDefaultLimit(struct board *board, unsigned *mw) {
    return put(board, mw, board->limit_mw);
}

enum result nvmlDeviceGetEnforcedPowerLimit(struct board *board, unsigned *mw) {
    return put(board, mw, board->limit_mw);
}

enum result nvmlDeviceGetPersistenceMode(struct board *board, unsigned *mode) { return put(board, mode, 1); }
enum result nvmlDeviceGetComputeMode(struct board *board, unsigned *mode) { return put(board, mode, 0); }
enum result nvmlDeviceGetArchitecture(struct board *board, unsigned *number) {
    return put(board, number, board->architecture);
}

enum result nvmlDeviceGetMemoryInfo(struct board *board, struct memory *memory) {
    CHECKED(board);
    *memory = (struct memory){80ull << 30, 79ull << 30, 1ull << 30};
    return SUCCESS;
}

enum result nvmlDeviceGetUtilizationRates(struct board *board, struct utilization *utilization) {
    CHECKED(board);
    *utilization = (struct utilization){50, 10};
    return SUCCESS;
}
