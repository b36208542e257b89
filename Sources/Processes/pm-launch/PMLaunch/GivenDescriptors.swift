internal import Glibc
internal import PMSystem
internal import PMWire

/// The inherited list: what the child is to see first, then what is for us alone.
struct GivenDescriptors {
  /// Names of what the child sees, from descriptor 3 upward.
  let names: [String]
  let controlGroup: Int32?
  let program: Int32

  /// Everything from here on is closed by exec.
  var firstUnwanted: Int32 { Inheritance.firstDescriptor + Int32(names.count) }

  /// `LISTEN_PID` is not asked for: pmctl cannot know the pid, and nobody else starts us.
  init() throws(LaunchError) {
    guard let text = Environment.value(Inheritance.listenCount), let count = Int(text),
      (1...Inheritance.descriptorsMax).contains(count),
      let list = Environment.value(Inheritance.listenNames)
    else { throw LaunchError(.descriptors, EINVAL) }
    var names = list.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard names.count == count, names.popLast() == Inheritance.Name.program.rawValue else {
      throw LaunchError(.descriptors, EINVAL)
    }
    program = Inheritance.firstDescriptor + Int32(names.count)
    if names.last == Inheritance.Name.cgroup.rawValue {
      names.removeLast()
      controlGroup = Inheritance.firstDescriptor + Int32(names.count)
    } else {
      controlGroup = nil
    }
    self.names = names
  }
}
