/* How much memory a program that sets it aside by itself reserves for the variables of a thread. */
#pragma once

#define CONFIG_SEL4RUNTIME_STATIC_TLS 16384
