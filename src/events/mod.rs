//! What is announced: events, their subjects, where they go and where they wait until they are acknowledged.
