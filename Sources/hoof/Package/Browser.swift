import Glibc
import Terminal

/// The user's web browser.
enum Browser {
  private static var hasDesktop: Bool {
    let variables: [String] = ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
    return variables.contains { Output.environment($0) != nil }
  }

  /// Asks the desktop to show an address, where there is a desktop.
  static func open(_ address: String) -> Bool {
    guard hasDesktop else { return false }
    var actions = posix_spawn_file_actions_t()
    guard posix_spawn_file_actions_init(&actions) == 0 else { return false }
    defer { posix_spawn_file_actions_destroy(&actions) }
    // What the browser says is not ours to show.
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
      posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
    }
    for program in ["xdg-open", "wslview"] {
      var words: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup(address), nil]
      defer { for word in words { free(word) } }
      var child = pid_t()
      if posix_spawnp(&child, program, &actions, nil, &words, environ) == 0 { return true }
    }
    return false
  }
}
