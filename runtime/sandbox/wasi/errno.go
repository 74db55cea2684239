package wasi

// errno is the return value of every function except proc_exit, with the numbers of preview 1.
type errno uint32

const (
	success         errno = 0
	eACCES          errno = 2
	eADDRNOTAVAIL   errno = 4
	eAFNOSUPPORT    errno = 5
	eAGAIN          errno = 6
	eALREADY        errno = 7
	eBADF           errno = 8
	eBUSY           errno = 10
	eCONNABORTED    errno = 13
	eCONNREFUSED    errno = 14
	eCONNRESET      errno = 15
	eDESTADDRREQ    errno = 17
	eDQUOT          errno = 19
	eEXIST          errno = 20
	eFAULT          errno = 21
	eFBIG           errno = 22
	eHOSTUNREACH    errno = 23
	eILSEQ          errno = 25
	eINPROGRESS     errno = 26
	eINVAL          errno = 28
	eIO             errno = 29
	eISCONN         errno = 30
	eISDIR          errno = 31
	eLOOP           errno = 32
	eMFILE          errno = 33
	eMSGSIZE        errno = 35
	eNAMETOOLONG    errno = 37
	eNETUNREACH     errno = 40
	eNFILE          errno = 41
	eNOBUFS         errno = 42
	eNOENT          errno = 44
	eNOPROTOOPT     errno = 50
	eNOSPC          errno = 51
	eNOSYS          errno = 52
	eNOTCONN        errno = 53
	eNOTDIR         errno = 54
	eNOTEMPTY       errno = 55
	eNOTSOCK        errno = 57
	eNOTSUP         errno = 58
	eOVERFLOW       errno = 61
	ePERM           errno = 63
	ePIPE           errno = 64
	ePROTONOSUPPORT errno = 66
	eROFS           errno = 69
	eSPIPE          errno = 70
	eTIMEDOUT       errno = 73
	eXDEV           errno = 75
)
