internal import PMJSON
public import PMSystem
internal import PMWire

/// Puts a backup in the place of core's accounts, while no supervisor runs. Core's own program does
/// it, under core's account; it says itself what came of it.
public enum Restoring {
  /// The exit code for the caller. Nobody can start a supervisor meanwhile, not even if this
  /// process is killed: the one that restores holds the lock, too.
  public static func run(
    _ file: ConfigurationFile, backup: consuming OwnedDescriptor, passphrase: [UInt8]
  ) -> Int32 {
    let backup = HeldDescriptor(backup)
    // It is not cut off by the keyboard: it is over soon, and then it is whole.
    SignalSource.block([.terminate, .interrupt])
    do throws(SystemError) {
      guard let lock = try Supervisor.enter(file.configuration) else {
        Terminal.error("pmctl restore: a supervisor runs; stop it first")
        return ExitCode.refused
      }
      let loop = try EventLoop()
      let launcher = try Supervisor.makeLauncher(file.configuration, Journal())
      let oneShots = OneShots(launcher, loop)
      let name = Inheritance.Name.passphrase
      let task = OneShot(
        role: .core, program: .core, arguments: [CoreArgument.restore.rawValue],
        configuration: file.configuration.part(for: .core).utf8,
        given: [
          (.backup, backup),
          (name, HeldDescriptor(try SealedMemory.make(passphrase, name: name.rawValue))),
          (.lock, HeldDescriptor(lock)),
        ],
        secondsMax: RuntimeLimits.restoreSecondsMax)
      var code: Int32?
      oneShots.run(task, file.configuration) { code = $0.code }
      while true {
        if let code { return code }
        loop.turn()
      }
    } catch {
      Terminal.error("pmctl restore: \(error.call.rawValue) failed (errno \(error.number))")
      return ExitCode.failed
    }
  }
}
