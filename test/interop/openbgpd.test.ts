import { testWith } from './suite.ts';

testWith('OpenBGPD');
