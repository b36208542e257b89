import PMHTTP
import PMSystem
import Testing

@Suite struct HTTPDateTests {
  @Test func theFixedFormIsRead() {
    // The example of RFC 9110, 5.6.7.
    #expect(WallTime(httpDate: "Sun, 06 Nov 1994 08:49:37 GMT") == WallTime(seconds: 784_111_777))
    #expect(WallTime(httpDate: "Sun, 22 Nov 2026 20:30:00 GMT")?.civil.rfc3339
      == "2026-11-22T20:30:00Z")
  }

  @Test(arguments: [
    "", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
    "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
  ])
  func otherFormsAreNot(_ text: String) {
    #expect(WallTime(httpDate: text) == nil)
  }
}
