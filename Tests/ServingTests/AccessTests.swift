import Testing

@testable import Serving

struct AccessTests {
  private func check(_ rules: AccessRules, _ headers: [String: String], path: String = "/v1/models") -> Int? {
    var head = RequestHead(method: .get, path: path, isModern: true)
    head.fields = headers.map { .init(name: $0.key, value: $0.value) }
    do throws(APIError) {
      try rules.check(head)
      return nil
    } catch { return error.status }
  }

  @Test("on loopback only names of this machine are answered, so that no name of somebody else's leads here")
  func rebinding() {
    let rules = AccessRules(host: "127.0.0.1", key: nil, origin: nil)
    for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "pitch.localhost"] {
      #expect(check(rules, ["host": host]) == nil, "\(host)")
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.0.1", "127.1", "", "[::2]"] {
      #expect(check(rules, ["host": host]) == 403, "\(host)")
    }
    #expect(check(AccessRules(host: "0.0.0.0", key: nil, origin: nil), ["host": "anything.example"]) == nil)
  }

  @Test("pages of others may not ask, unless their origin is allowed")
  func origins() {
    let strict = AccessRules(host: "127.0.0.1", key: nil, origin: nil)
    #expect(check(strict, ["host": "localhost:80", "origin": "http://localhost:80"]) == nil)
    #expect(check(strict, ["host": "localhost:80", "origin": "http://localhost:81"]) == 403)
    #expect(check(strict, ["host": "localhost:80", "origin": "null"]) == 403)
    let one = AccessRules(host: "127.0.0.1", key: nil, origin: "https://a.example")
    #expect(check(one, ["host": "localhost", "origin": "https://a.example"]) == nil)
    #expect(check(one, ["host": "localhost", "origin": "https://b.example"]) == 403)
    #expect(check(AccessRules(host: "127.0.0.1", key: nil, origin: "*"), ["host": "localhost", "origin": "null"]) == nil)
  }

  @Test("with a key, models are for those who know it, and the page and /health for all")
  func keys() {
    let rules = AccessRules(host: "0.0.0.0", key: "secret", origin: nil)
    #expect(check(rules, ["host": "a"]) == 401 && check(rules, ["host": "a", "authorization": "Bearer wrong"]) == 401)
    #expect(
      check(rules, ["host": "a", "authorization": "secret"]) == 401 && check(rules, ["host": "a", "authorization": "Bearer "]) == 401)
    #expect(check(rules, ["host": "a", "authorization": "Bearer secret"]) == nil)
    #expect(check(rules, ["host": "a", "authorization": "bearer secret"]) == nil)
    #expect(check(rules, ["host": "a"], path: "/") == nil && check(rules, ["host": "a"], path: "/health") == nil)
    #expect(check(rules, ["host": "a"], path: "/metrics") == 401 && check(rules, ["host": "a"], path: "/nothing") == 401)
  }

  @Test("the page's policy allows exactly its own script and style")
  func policy() {
    // printf 1 | openssl dgst -sha256 -binary | base64, and the same of "p{}".
    #expect(Page(html: Array(TestServer.html.utf8)).policy.contains("script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"))
    #expect(Page(html: Array(TestServer.html.utf8)).policy.contains("style-src 'sha256-"))
    #expect(Page(html: Array("<p>".utf8)).policy.contains("script-src 'none'; style-src 'none'"))
    #expect(
      Page.base64(Array("f".utf8)) == "Zg==" && Page.base64(Array("fo".utf8)) == "Zm8=" && Page.base64(Array("foobar".utf8)) == "Zm9vYmFy")
  }

  @Test("the page that is in the program has a style and a script, and nothing of others")
  func embedded() {
    let text = String(decoding: Page.embedded.html, as: UTF8.self)
    #expect(Page.contents(of: "script", in: text).count == 1 && Page.contents(of: "style", in: text).count == 1)
    #expect(!text.contains("src=\"http") && !text.contains("style=\""))
  }
}
