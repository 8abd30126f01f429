/* Pages of 4 KiB. */
#pragma once

#include <utils/arith.h>

#define PAGE_BITS_4K 12
#define PAGE_SIZE_4K BIT(PAGE_BITS_4K)
#define PAGE_MASK_4K MASK(PAGE_BITS_4K)
#define PAGE_ALIGN_4K(address) ((address) & ~PAGE_MASK_4K)
#define IS_PAGE_ALIGNED_4K(address) (((address) & PAGE_MASK_4K) == 0)
