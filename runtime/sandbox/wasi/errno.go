package wasi

// errno is the return value of every function except proc_exit, with the numbers of preview 1.
type errno uint32

const (
	success      errno = 0
	eBADF        errno = 8
	eBUSY        errno = 10
	eEXIST       errno = 20
	eFAULT       errno = 21
	eFBIG        errno = 22
	eILSEQ       errno = 25
	eINVAL       errno = 28
	eIO          errno = 29
	eISDIR       errno = 31
	eLOOP        errno = 32
	eMFILE       errno = 33
	eNAMETOOLONG errno = 37
	eNOENT       errno = 44
	eNOSPC       errno = 51
	eNOSYS       errno = 52
	eNOTDIR      errno = 54
	eNOTEMPTY    errno = 55
	eNOTSOCK     errno = 57
	eOVERFLOW    errno = 61
	ePERM        errno = 63
	eROFS        errno = 69
	eSPIPE       errno = 70
	eXDEV        errno = 75
)
