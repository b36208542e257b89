public import PMWire

/// Everything that the machine can want done. The layer that does it decides nothing.
public enum Effect: Equatable, Sendable {
  /// Run the gate; answered by `verdict`.
  case appraise
  /// Make or take over the public listeners and the Unix ones; answered by `bound`.
  case bind
  /// Close both public listeners and take them out of the fd store.
  case closeListeners
  case spawn(Service, Int)
  /// SIGTERM; SIGINT for the vendor.
  case askToLeave(Service, Int)
  /// Kill the generation with all it has started.
  case kill(Service, Int)
  /// Answered by `probed`, or by nothing: the machine does not wait for ever.
  case probe(Probe)
  case tell(Service, Int, Instruction)
  /// Install the configuration that came with this order.
  case adopt(Order.ID)
  case answer(Order.ID, Answer)
  /// A service that this order waits for changed its state.
  case progress(Order.ID, Service, Int, ServiceState)
  case changed(Service, Int, ServiceState)
  case record(Record)
  /// The whole path was proved: `READY=1` to systemd.
  case announceReady
  case announceStopping
  /// Nothing runs any more: pmctl may exit.
  case leave
}

/// One question whether something lives.
public struct Probe: Equatable, Sendable {
  public typealias ID = UInt64
  public enum Target: Equatable, Sendable {
    case service(Service, Int)
    /// Edge, core and vendor in one request.
    case path
  }
  public let id: ID
  public let target: Target
}

/// What an order came to.
public enum Answer: Equatable, Sendable {
  case done
  case keptOld(Reason)
  case failed(Reason)
  case refused(Refusal)
  case timedOut
}

/// Why an order was not taken.
public enum Refusal: Equatable, Sendable {
  /// Not in this state.
  case state(ServiceState)
  case gateShut
  /// Too many orders wait, or too many generations are still ending.
  case busy
  case shuttingDown
  /// The development profile has no gate.
  case notAttested
  case notConfigured
}

/// What is worth remembering.
public enum Record: Equatable, Sendable {
  case ended(Death)
  case recovered(Recovery)
  case gate(GateState)
  case flapping(Service)
}

/// The end of one generation.
public struct Death: Equatable, Sendable {
  public let service: Service
  public let generation: Int
  public let reason: Reason
  public let exit: Exit
  public let upMilliseconds: UInt64
  public let inFlight: Int
}

/// A service is ready again after a fault.
public struct Recovery: Equatable, Sendable {
  public let service: Service
  public let generation: Int
  /// From the fault to the spawn, and from there to ready.
  public let waitedMilliseconds: UInt64
  public let startedInMilliseconds: UInt64
}
