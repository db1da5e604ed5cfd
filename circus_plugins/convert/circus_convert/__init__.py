"""`circusctl convert`: configurations of Supervisor and Procfiles become files of circus-core."""
