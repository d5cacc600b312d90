#ifndef EDGE_MNV3_TESTS_LITERT_TENSOR_BUFFER_H_
#define EDGE_MNV3_TESTS_LITERT_TENSOR_BUFFER_H_

#include "litert/c/litert_common.h"

extern "C" {

LiteRtStatus LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment environment,
                                                             const LiteRtRankedTensorType* tensor_type,
                                                             LiteRtTensorBufferRequirements requirements,
                                                             LiteRtTensorBuffer* buffer);
LiteRtStatus LiteRtLockTensorBuffer(LiteRtTensorBuffer tensor_buffer, void** host_memory,
                                    LiteRtTensorBufferLockMode lock_mode);
LiteRtStatus LiteRtUnlockTensorBuffer(LiteRtTensorBuffer buffer);
void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer buffer);

}  // extern "C"

#endif  // EDGE_MNV3_TESTS_LITERT_TENSOR_BUFFER_H_
