# Writes the bytes of INPUT as a C++ array to OUTPUT (cmake -D INPUT=… -D OUTPUT=… -P this file).
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"cli/chart_archive.h\"

namespace fsm::cli {

namespace {
constexpr unsigned char kArchive[] = {${bytes}};
}

std::string_view embedded_chart() {
    return {reinterpret_cast<const char*>(kArchive), sizeof(kArchive)};
}

}  // namespace fsm::cli
")
