//! The service beside each organisation's chaincode that takes part in the clearing
