#include "settings.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <map>

namespace simt {
static std::map<std::string, std::string> read_file() {
  std::map<std::string, std::string> values;
  Dl_info library;
  if (!dladdr((void *)&read_file, &library) || !library.dli_fname) return values;
  FILE *file = fopen((std::string(library.dli_fname) + ".env").c_str(), "r");
  if (!file) return values;
  char line[512];
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    if (char *equals = strchr(line, '=')) values[std::string(line, equals)] = equals + 1;
  }
  fclose(file);
  return values;
}

std::string setting(const char *name) {
  static const std::map<std::string, std::string> values = read_file();
  auto found = values.find(name);
  if (found != values.end()) return found->second;
  const char *text = getenv(name);
  return text ? text : "";
}

unsigned long long setting(const char *name, unsigned long long otherwise) {
  std::string text = setting(name);
  return text.empty() ? otherwise : strtoull(text.c_str(), nullptr, 10);
}
}  // namespace simt
