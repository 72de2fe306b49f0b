# Toolchain: mingw-w64 of Debian 12, for 64-bit Windows. Used by the preset `mingw` and by deploy/windows/deps.
# FARMHAND_WINDOWS_DEPS is where deploy/windows/deps installed the libraries (static, with .pc files).
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_VERSION 10.0)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-win32)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_AR x86_64-w64-mingw32-gcc-ar-win32)
set(CMAKE_RANLIB x86_64-w64-mingw32-gcc-ranlib-win32)

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FARMHAND_WINDOWS_DEPS)
set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32 ${FARMHAND_WINDOWS_DEPS})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${FARMHAND_WINDOWS_DEPS}/lib/pkgconfig)
set(ENV{PKG_CONFIG_PATH} "")

# Windows Server 2016 and later. ANSI stdio: the C99 formats (%zu, %llu) that the code uses.
set(CMAKE_C_FLAGS_INIT "-D_WIN32_WINNT=0x0A00 -DWINVER=0x0A00 -D__USE_MINGW_ANSI_STDIO=1 -fstack-protector-strong")
# ASLR with 64 bits of addresses and DEP are this linker's defaults; they are written down so that no other default
# can take them away, and deploy/windows/check-exe looks at the result. Control-flow guard needs a compiler that has
# it: gcc has not.
set(hardened "-Wl,--dynamicbase,--high-entropy-va,--nxcompat -static -static-libgcc")
set(CMAKE_EXE_LINKER_FLAGS_INIT "${hardened}")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "${hardened}")
