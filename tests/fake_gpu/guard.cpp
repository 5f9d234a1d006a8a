// Autograd asks a device's guard for the current device and its stream, which fails without a driver.
// This guard answers for two devices that do nothing. Never load it where there is a GPU.
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace c10::cuda::_internal {
void setHasPrimaryContext(bool (*)(signed char));
}

namespace {
using c10::Device;
using c10::DeviceType;
using c10::Stream;

thread_local signed char current = 0;

Device device(signed char index) { return Device(DeviceType::CUDA, index); }
Stream stream(signed char index) { return Stream(Stream::DEFAULT, device(index)); }

struct Idle final : c10::impl::DeviceGuardImplInterface {
  DeviceType type() const override { return DeviceType::CUDA; }
  Device exchangeDevice(Device next) const override {
    const signed char before = current;
    current = next.index();
    return device(before);
  }
  Device getDevice() const override { return device(current); }
  void setDevice(Device next) const override { current = next.index(); }
  void uncheckedSetDevice(Device next) const noexcept override { current = next.index(); }
  Stream getStream(Device where) const override { return stream(where.index()); }
  Stream getDefaultStream(Device where) const override { return stream(where.index()); }
  Stream getNewStream(Device where, int = 0) const override { return stream(where.index()); }
  Stream exchangeStream(Stream next) const override { return stream(next.device_index()); }
  c10::DeviceIndex deviceCount() const noexcept override { return 2; }
  void record(void**, const Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override {}
};

bool no_context(signed char) { return false; }
}  // namespace

extern "C" void install() {
  c10::impl::registerDeviceGuard(DeviceType::CUDA, new Idle());
  c10::cuda::_internal::setHasPrimaryContext(no_context);
}

extern "C" int current_device() { return current; }
extern "C" void set_device(int index) { current = static_cast<signed char>(index); }
