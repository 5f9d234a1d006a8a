// A CUDA driver of two devices without contexts, as far as c10 and ATen ask before they compute.
namespace c10::cuda {
__attribute__((visibility("default"))) signed char device_count() noexcept { return 2; }
}  // namespace c10::cuda

extern "C" int cuDevicePrimaryCtxGetState(int, unsigned* flags, int* active) {
  *flags = 0;
  *active = 0;
  return 0;
}
