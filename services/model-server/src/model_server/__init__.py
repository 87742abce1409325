"""CPU models behind an OpenAI-compatible API: chat by llama.cpp, embeddings by ONNX Runtime."""
