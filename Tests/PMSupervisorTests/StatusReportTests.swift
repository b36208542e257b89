import PMJSON
import PMSupervision
import PMWire
import Testing

@testable import PMSupervisor

@Suite struct StatusReportTests {
  private func gate(_ machine: Supervision) -> JSONValue? {
    StatusReport(
      machine: machine, configuration: Configuration(), children: [], standing: nil,
      droppedMessages: 0, now: Moment(milliseconds: 0)
    ).json["gate"]
  }

  @Test func aPortThatIsTakenIsNamedUntilTheGateIsShut() {
    let now = Moment(milliseconds: 0)
    var machine = Supervision(settings: Settings(isDevelopment: false), seed: 1, at: now)
    for event in [Event.begin, .verdict(.passed), .bound(false)] {
      _ = machine.handle(event, at: now)
    }
    #expect(gate(machine)?["state"]?.string == "passed")
    #expect(gate(machine)?["token"]?.string == "listen")
    // The gate runs again, and refuses.
    let order = Order(id: 1, kind: .gate, uid: 0, deadline: now.adding(seconds: 60))
    for event in [Event.order(order), .verdict(.refused(token: "tcb-floor"))] {
      _ = machine.handle(event, at: now)
    }
    #expect(gate(machine)?["state"]?.string == "refused")
    #expect(gate(machine)?["token"]?.string == "tcb-floor")
    #expect(!machine.hasBindFailed)
    #expect(machine.overall == .gateShut)
  }
}
