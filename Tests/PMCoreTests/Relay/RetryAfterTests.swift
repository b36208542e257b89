import PMSystem
import Testing

@testable import PMCore

@Suite struct RetryAfterTests {
  /// 1994-11-06 08:49:17 UTC: twenty seconds before the date of RFC 9110.
  private static let now = WallTime(seconds: 784_111_757)

  private func seconds(_ text: String) -> Int? { RetryAfter.seconds(text, at: Self.now) }

  @Test func secondsAreBounded() {
    #expect(seconds("17") == 17)
    #expect(seconds("0") == 1)
    #expect(seconds("-5") == 1)
    #expect(seconds("999999999999") == CoreBounds.throttleSecondsMax)
  }

  @Test(arguments: [
    "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
  ])
  func aDateIsSoFarAway(_ text: String) { #expect(seconds(text) == 20) }

  @Test func aDateOfTwoDigitsIsOfThisCentury() {
    let now = WallTime(rfc3339: "2026-11-22T08:49:07Z")
    #expect(now.map { RetryAfter.seconds("Sunday, 22-Nov-26 08:49:37 GMT", at: $0) } == 30)
  }

  @Test func aDateThatIsPastOrFarIsBounded() {
    #expect(seconds("Sun, 06 Nov 1994 08:49:16 GMT") == 1)
    #expect(seconds("Sun, 06 Nov 2094 08:49:16 GMT") == CoreBounds.throttleSecondsMax)
  }

  @Test(arguments: [
    "", "soon", "1.5", "Sun, 06 Nov 1994", "06 Nov 1994 08:49", "Sun, 06 Foo 1994 08:49:37 GMT",
    "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
    "Sun, 06 Nov 1994 99:49:37 GMT", "::", "Nov",
  ])
  func anythingElseIsNone(_ text: String) { #expect(seconds(text) == nil) }
}
