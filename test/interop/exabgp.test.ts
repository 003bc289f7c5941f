import { testWith } from './suite.ts';

testWith('ExaBGP');
