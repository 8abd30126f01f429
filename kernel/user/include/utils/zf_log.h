/*
 * Messages on standard error, each with function, file and line. ZF_LOGF is for what a program cannot live with: it
 * ends the program. ZF_LOGV, ZF_LOGD and ZF_LOGI say nothing unless ZF_LOG_LEVEL is lower than it is here.
 */
#pragma once

#include <sel4/errors.h>
#include <sel4/macros.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZF_LOG_VERBOSE 1
#define ZF_LOG_DEBUG 2
#define ZF_LOG_INFO 3
#define ZF_LOG_WARN 4
#define ZF_LOG_ERROR 5
#define ZF_LOG_FATAL 6
#define ZF_LOG_NONE 0xff

#ifndef ZF_LOG_LEVEL
#define ZF_LOG_LEVEL ZF_LOG_WARN
#endif

__attribute__((__format__(__printf__, 4, 5))) LIBSEL4_INLINE_FUNC void
zf_log_write_(const char *function, const char *file, int line, const char *format, ...)
{
    const char *base = strrchr(file, '/');
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "%s@%s:%d ", function, base ? base + 1 : file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

LIBSEL4_INLINE_FUNC const char *zf_log_error_(long error)
{
    switch (error) {
    case seL4_NoError:
        return "seL4_NoError";
    case seL4_InvalidArgument:
        return "seL4_InvalidArgument";
    case seL4_InvalidCapability:
        return "seL4_InvalidCapability";
    case seL4_IllegalOperation:
        return "seL4_IllegalOperation";
    case seL4_RangeError:
        return "seL4_RangeError";
    case seL4_AlignmentError:
        return "seL4_AlignmentError";
    case seL4_FailedLookup:
        return "seL4_FailedLookup";
    case seL4_TruncatedMessage:
        return "seL4_TruncatedMessage";
    case seL4_DeleteFirst:
        return "seL4_DeleteFirst";
    case seL4_RevokeFirst:
        return "seL4_RevokeFirst";
    case seL4_NotEnoughMemory:
        return "seL4_NotEnoughMemory";
    default:
        return "unknown";
    }
}

#define ZF_LOG_(level, ...)                                                                                            \
    do {                                                                                                               \
        if ((level) >= ZF_LOG_LEVEL) {                                                                                 \
            zf_log_write_(__func__, __FILE__, __LINE__, __VA_ARGS__);                                                  \
        }                                                                                                              \
        if ((level) == ZF_LOG_FATAL) {                                                                                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define ZF_LOGV(...) ZF_LOG_(ZF_LOG_VERBOSE, __VA_ARGS__)
#define ZF_LOGD(...) ZF_LOG_(ZF_LOG_DEBUG, __VA_ARGS__)
#define ZF_LOGI(...) ZF_LOG_(ZF_LOG_INFO, __VA_ARGS__)
#define ZF_LOGW(...) ZF_LOG_(ZF_LOG_WARN, __VA_ARGS__)
#define ZF_LOGE(...) ZF_LOG_(ZF_LOG_ERROR, __VA_ARGS__)
#define ZF_LOGF(...) ZF_LOG_(ZF_LOG_FATAL, __VA_ARGS__)

/* When a condition holds: it is part of the message. */
#define ZF_LOG_IF_(level, condition, format, ...)                                                                      \
    do {                                                                                                               \
        if (condition) {                                                                                               \
            ZF_LOG_(level, "[Cond failed: %s]\n\t" format, #condition, ##__VA_ARGS__);                                 \
        }                                                                                                              \
    } while (0)

#define ZF_LOGD_IF(condition, ...) ZF_LOG_IF_(ZF_LOG_DEBUG, condition, __VA_ARGS__)
#define ZF_LOGI_IF(condition, ...) ZF_LOG_IF_(ZF_LOG_INFO, condition, __VA_ARGS__)
#define ZF_LOGW_IF(condition, ...) ZF_LOG_IF_(ZF_LOG_WARN, condition, __VA_ARGS__)
#define ZF_LOGE_IF(condition, ...) ZF_LOG_IF_(ZF_LOG_ERROR, condition, __VA_ARGS__)
#define ZF_LOGF_IF(condition, ...) ZF_LOG_IF_(ZF_LOG_FATAL, condition, __VA_ARGS__)

/* When an seL4_Error is one: its name is part of the message. */
#define ZF_LOG_IFERR_(level, error, format, ...)                                                                       \
    do {                                                                                                               \
        long zf_error_ = (long)(error);                                                                                \
        if (zf_error_ != seL4_NoError) {                                                                               \
            ZF_LOG_(level, "[Err %s]:\n\t" format, zf_log_error_(zf_error_), ##__VA_ARGS__);                           \
        }                                                                                                              \
    } while (0)

#define ZF_LOGD_IFERR(error, ...) ZF_LOG_IFERR_(ZF_LOG_DEBUG, error, __VA_ARGS__)
#define ZF_LOGI_IFERR(error, ...) ZF_LOG_IFERR_(ZF_LOG_INFO, error, __VA_ARGS__)
#define ZF_LOGW_IFERR(error, ...) ZF_LOG_IFERR_(ZF_LOG_WARN, error, __VA_ARGS__)
#define ZF_LOGE_IFERR(error, ...) ZF_LOG_IFERR_(ZF_LOG_ERROR, error, __VA_ARGS__)
#define ZF_LOGF_IFERR(error, ...) ZF_LOG_IFERR_(ZF_LOG_FATAL, error, __VA_ARGS__)
