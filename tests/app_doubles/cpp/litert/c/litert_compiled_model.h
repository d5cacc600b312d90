#ifndef EDGE_MNV3_TESTS_LITERT_COMPILED_MODEL_H_
#define EDGE_MNV3_TESTS_LITERT_COMPILED_MODEL_H_

#include "litert/c/litert_common.h"

extern "C" {

LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment environment, LiteRtModel model, LiteRtOptions options,
                                       LiteRtCompiledModel* compiled_model);
LiteRtStatus LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel compiled_model,
                                                           LiteRtParamIndex signature_index,
                                                           LiteRtParamIndex input_index,
                                                           LiteRtTensorBufferRequirements* requirements);
LiteRtStatus LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel compiled_model,
                                                            LiteRtParamIndex signature_index,
                                                            LiteRtParamIndex output_index,
                                                            LiteRtTensorBufferRequirements* requirements);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel compiled_model, LiteRtParamIndex signature_index,
                                    std::size_t num_input_buffers, LiteRtTensorBuffer* input_buffers,
                                    std::size_t num_output_buffers, LiteRtTensorBuffer* output_buffers);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel compiled_model);

}  // extern "C"

#endif  // EDGE_MNV3_TESTS_LITERT_COMPILED_MODEL_H_
