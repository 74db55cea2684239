package sandbox

// CacheDirForTests returns the folder with the compiled guest that all tests share.
func CacheDirForTests() string { return cacheDir }
